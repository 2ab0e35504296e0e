"""The dashboards: which panels each has. Every query here is run against real metrics by tests/telemetry."""

from __future__ import annotations

from panels import Panel, one, quantiles, rate, value

OVERVIEW = (
    Panel(
        "Requests", "Outcomes that stand, by how they ended.", "reqps", one("opswire:requests:rate5m", "{{outcome}}")
    ),
    Panel("Duration", "From accepted to the outcome.", "s", quantiles("opswire_request_duration_seconds")),
    Panel(
        "Failed",
        "Of all outcomes, those that failed or expired. Alert: 5 %.",
        "percentunit",
        one("opswire:requests_failed:ratio5m"),
        "stat",
    ),
    Panel(
        "Oldest open request",
        "How long the oldest message of a request has waited to be settled. Alert: 5 minutes.",
        "s",
        one("opswire:oldest_open_request:age_seconds"),
        "stat",
    ),
    Panel("Parked messages", "Kept for a person to look at.", "short", one("opswire:parked_messages"), "stat"),
    Panel(
        "Unattributed",
        "Time of the last hour's requests that no span explains. Alert: 2 %.",
        "percentunit",
        one("opswire:unattributed:ratio1h"),
        "stat",
    ),
    Panel("Services", "1 while it answers its scrape.", "short", value('up{job="opswire"}', "service", "min")),
    Panel("CPU", "Cores in use.", "short", rate("process_cpu_seconds_total", "service", '{job="opswire"}')),
    Panel("Memory", "Resident.", "bytes", value('process_resident_memory_bytes{job="opswire"}', "service")),
    Panel(
        "Event loop lag",
        "p99 of how late a timer runs: what holds up every request of a process. Alert: 250 ms.",
        "s",
        one("opswire:event_loop_lag_seconds:p99_5m", "{{service}}"),
    ),
    Panel(
        "HTTP", "95th percentile by route.", "s", quantiles("http_server_request_duration_seconds", "http_route")[1:]
    ),
    Panel("Lost spans", "Traces and durations miss them.", "short", rate("opswire_spans_dropped_total", "service")),
)

STAGES = (
    Panel(
        "Share of time by stage",
        "Of the time of finished requests: adds up to 1. The ledger's account; `opswire latency` has the table.",
        "percentunit",
        one(
            "sum by (stage) (rate(opswire_ledger_stage_seconds_total[$__rate_interval]))"
            " / ignoring(stage) group_left sum(rate(opswire_ledger_stage_seconds_total[$__rate_interval]))",
            "{{stage}}",
        ),
    ),
    Panel(
        "Trusted accounts",
        "Requests whose account is at most 5 % unattributed or adopted.",
        "percentunit",
        one(
            'sum(rate(opswire_ledger_requests_total{trusted="yes"}[$__rate_interval]))'
            " / sum(rate(opswire_ledger_requests_total[$__rate_interval]))"
        ),
        "stat",
    ),
    Panel(
        "Counted until",
        "How far the ledger's account is behind.",
        "s",
        one("time() - max(opswire_ledger_booked_until_seconds)"),
        "stat",
    ),
    Panel(
        "Spans by stage",
        "95th percentile of single spans. They lie inside each other and do not add up.",
        "s",
        one("opswire:stage_duration_seconds:p95_5m", "{{opswire_stage}}"),
    ),
    Panel("Spans per second", "By stage.", "ops", rate("opswire_stage_duration_seconds_count", "opswire_stage")),
    Panel(
        "Handling",
        "From received to settled, by consumer.",
        "s",
        quantiles("messaging_process_duration_seconds", "messaging_consumer_group_name"),
    ),
    Panel(
        "Waiting in the bus",
        "From stored to first received.",
        "s",
        quantiles("opswire_bus_wait_seconds", "messaging_destination_template"),
    ),
    Panel(
        "Publishing",
        "From published to acknowledged.",
        "s",
        quantiles("messaging_client_operation_duration_seconds", "messaging_destination_template"),
    ),
    Panel(
        "Database",
        "By query.",
        "s",
        quantiles("db_client_operation_duration_seconds", "db_system_name, db_query_summary"),
    ),
)

MODEL = (
    Panel("Time to first token", "TTFT, of the server.", "s", quantiles("vllm:time_to_first_token_seconds")),
    Panel(
        "Time per output token",
        "TPOT, of the server, by request.",
        "s",
        quantiles("vllm:request_time_per_output_token_seconds"),
    ),
    Panel("Time in the queue", "Of the server.", "s", quantiles("vllm:request_queue_time_seconds")),
    Panel(
        "Requests at the server",
        "Running, and waiting for a place.",
        "short",
        (
            ("running", "sum(vllm:num_requests_running)"),
            ("waiting", "sum(vllm:num_requests_waiting)"),
        ),
    ),
    Panel("KV cache", "In use.", "percentunit", value("vllm:kv_cache_usage_perc", "model_name"), "stat"),
    Panel(
        "Prefix cache hits",
        "Of the prompt tokens that were looked up.",
        "percentunit",
        one(
            "sum(rate(vllm:prefix_cache_hits_total[$__rate_interval]))"
            " / sum(rate(vllm:prefix_cache_queries_total[$__rate_interval]))"
        ),
        "stat",
    ),
    Panel(
        "Tokens",
        "Per second, of the server.",
        "short",
        (
            ("prompt", "sum(rate(vllm:prompt_tokens_total[$__rate_interval]))"),
            ("generated", "sum(rate(vllm:generation_tokens_total[$__rate_interval]))"),
        ),
    ),
    Panel(
        "Ends", "Of the server's requests, by reason.", "reqps", rate("vllm:request_success_total", "finished_reason")
    ),
    Panel(
        "Preempted",
        "Requests that were put back for want of memory.",
        "reqps",
        one("sum(rate(vllm:num_preemptions_total[$__rate_interval]))"),
    ),
    Panel(
        "Calls",
        "As we see them: from sent to answered.",
        "s",
        quantiles("gen_ai_client_operation_duration_seconds", "opswire_llm_endpoint"),
    ),
    Panel("Outcomes", "Of our calls.", "reqps", rate("opswire_inference_calls_total", "endpoint, outcome")),
    Panel(
        "Endpoints",
        "1 while it is asked; 0 while it is left alone after failures.",
        "short",
        value("opswire_inference_endpoint_up", "endpoint, model", "min"),
    ),
    Panel(
        "Places",
        "Calls at the endpoint and waiting for a place.",
        "short",
        value("opswire_inference_endpoint_calls", "endpoint, state", "sum"),
    ),
    Panel(
        "Tokens of an answer",
        "As it was counted to us.",
        "short",
        quantiles("gen_ai_client_token_usage", "gen_ai_token_type"),
    ),
)

CACHES = (
    Panel("Hits", "Of the reads of each cache.", "percentunit", one("opswire:cache_hits:ratio30m", "{{cache}}")),
    Panel("Reads", "By what became of them.", "reqps", rate("opswire_cache_reads_total", "cache, outcome")),
    Panel(
        "Acknowledged",
        "From an invalidation read to in force in every process.",
        "s",
        quantiles("opswire_cache_acknowledgement_seconds"),
    ),
    Panel(
        "Invalidations",
        "Sent, and applied by the processes that cache.",
        "short",
        (
            ("sent", "sum(rate(opswire_cache_invalidations_published_total[$__rate_interval]))"),
            (
                "applied {{service}}",
                "sum by (service) (rate(opswire_cache_invalidations_applied_total[$__rate_interval]))",
            ),
        ),
    ),
    Panel("Holders", "Processes that cache.", "short", one("max(opswire_cache_holders)"), "stat"),
    Panel(
        "Late holders",
        "Fenced because they did not answer in time.",
        "short",
        one("sum(increase(opswire_cache_holders_late_total[1h]))"),
        "stat",
    ),
    Panel("Canary", "From a change until nobody served the old value.", "s", quantiles("opswire_cache_canary_seconds")),
    Panel("Stale answers", "In the last hour; must stay zero.", "short", one("opswire:stale_reads:increase1h"), "stat"),
    Panel(
        "Canary rounds that failed",
        "In the last hour.",
        "short",
        one("sum(increase(opswire_cache_canary_failed_total[1h]))"),
        "stat",
    ),
)

BUS = (
    Panel("Connected", "1 while the broker answers.", "short", value("opswire_broker_connected", "service", "min")),
    Panel("Waiting", "Stored, not delivered yet.", "short", value("opswire_consumer_pending_messages", "consumer")),
    Panel("In hand", "Delivered, not acknowledged.", "short", value("opswire_consumer_unsettled_messages", "consumer")),
    Panel(
        "Oldest",
        "Age of the oldest that is not settled.",
        "s",
        value("opswire_consumer_oldest_message_age_seconds", "consumer"),
    ),
    Panel(
        "Delivered again",
        "Not yet acknowledged after more than one delivery.",
        "short",
        value("opswire_consumer_redelivering_messages", "consumer"),
    ),
    Panel("Redeliveries", "Per second.", "ops", rate("opswire_messages_redelivered_total", "message")),
    Panel("Handled", "By what the broker was told.", "ops", rate("opswire_messages_handled_total", "message, outcome")),
    Panel("In flight", "Being handled now.", "short", value("opswire_messages_in_flight", "message", "sum")),
    Panel(
        "Parked",
        "By code, in the last hour.",
        "short",
        one("sum by (code) (increase(opswire_messages_parked_total[1h]))", "{{code}}"),
    ),
    Panel("Streams", "Messages held.", "short", value("opswire_stream_messages", "stream")),
    Panel("Bytes", "Held by each stream.", "bytes", value("opswire_stream_bytes", "stream")),
    Panel(
        "Published",
        "Per second, acknowledged or not.",
        "ops",
        rate("messaging_client_operation_duration_seconds_count", "messaging_destination_template, error_type"),
    ),
)

COST = (
    Panel(
        "Dollars per hour",
        "Where prices are known.",
        "currencyUSD",
        one(
            "3600 * sum by (endpoint, operation) (rate(opswire_inference_cost_usd_total[$__rate_interval]))",
            "{{endpoint}} {{operation}}",
        ),
    ),
    Panel(
        "Dollars per thousand requests",
        "All model calls over all outcomes.",
        "currencyUSD",
        one(
            "1000 * sum(rate(opswire_inference_cost_usd_total[$__rate_interval]))"
            " / sum(rate(opswire_requests_finished_total[$__rate_interval]))"
        ),
        "stat",
    ),
    Panel(
        "Spent in 24 hours",
        "Where prices are known.",
        "currencyUSD",
        one("sum(increase(opswire_inference_cost_usd_total[24h]))"),
        "stat",
    ),
    Panel("Tokens", "Per second.", "short", rate("opswire_inference_tokens_total", "endpoint, kind")),
    Panel(
        "Requests that ask a model",
        "Model calls over outcomes.",
        "percentunit",
        one(
            "sum(rate(opswire_inference_calls_total[$__rate_interval]))"
            " / sum(rate(opswire_requests_finished_total[$__rate_interval]))"
        ),
        "stat",
    ),
    Panel(
        "CPU per request",
        "Of all services.",
        "s",
        one(
            'sum(rate(process_cpu_seconds_total{job="opswire"}[$__rate_interval]))'
            " / sum(rate(opswire_requests_finished_total[$__rate_interval]))"
        ),
    ),
)

DASHBOARDS = {
    "overview": ("Overview", OVERVIEW),
    "stages": ("Stages", STAGES),
    "model": ("Model", MODEL),
    "caches": ("Caches", CACHES),
    "bus": ("Bus", BUS),
    "cost": ("Cost", COST),
}
