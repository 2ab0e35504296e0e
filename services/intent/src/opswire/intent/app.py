"""Puts the intent service together; the only file here that sees everything."""

from __future__ import annotations

import os
from functools import partial
from importlib.metadata import version

from opswire.chassis.caching.cache import Cache
from opswire.chassis.caching.valkey import Valkey
from opswire.chassis.delivery import Delivery
from opswire.chassis.errors import OpswireError
from opswire.chassis.inference.access import ModelAccess
from opswire.chassis.service import Service
from opswire.chassis.ticks import DeadlineTicks
from opswire.contracts.request_finished.endings import ended
from opswire.contracts.routes import REQUEST_FINISHED, REQUEST_SUBMITTED
from opswire.intent.adapters.demotions import Demotions
from opswire.intent.adapters.opinion_codec import OpinionCodec
from opswire.intent.adapters.reading_codec import ReadingCodec
from opswire.intent.adapters.trained_classifier import load_or_train
from opswire.intent.adapters.verdict_codec import VerdictCodec
from opswire.intent.classifier.model import THRESHOLD
from opswire.intent.errors import UnclearRequestError
from opswire.intent.handlers.request_submitted import HandleRequestSubmitted
from opswire.intent.language.names import NameIndex
from opswire.intent.prompts.library import load_prompts
from opswire.intent.settings import IntentSettings
from opswire.intent.usecases.answer_request import AnswerRequest
from opswire.intent.usecases.ask_model import AskModel, Opinion
from opswire.intent.usecases.find_intent import FindIntent, Reading
from opswire.intent.usecases.read_by_model import ReadByModel
from opswire.intent.usecases.shadow import Shadow, Verdict


def create_app(settings: IntentSettings | None = None) -> Service:
    """The intent service, ready to run."""
    settings = settings or IntentSettings()
    service = Service("intent", version("opswire-intent"), settings)
    classifier = load_or_train(settings.classifier_path)
    names = NameIndex()
    service.log.on_asset_changed = names.apply
    service.log.on_restart = names.clear
    valkey = Valkey(settings.valkey_url) if settings.valkey_url else None
    if valkey is not None:
        service.at_end.append(valkey.close)
    cache: Cache[Reading] = Cache(
        "intent",
        ReadingCodec(),
        service.log,
        valkey,
        service.metrics,
        settings.intent_cache_ttl_s,
        enabled=settings.cache == "on",
        check_share=settings.cache_check_share,
    )
    threshold = THRESHOLD if settings.confidence_threshold is None else settings.confidence_threshold
    ask_model = _model_tier(service, settings, names, valkey)
    shadow = _templates(service, settings, valkey)
    find_intent = FindIntent(names, classifier, cache, threshold, ask_model, settings.local_suffices_threshold, shadow)
    service.on(REQUEST_SUBMITTED, HandleRequestSubmitted(AnswerRequest(find_intent, names), DeadlineTicks()))
    service.end_request = end_request
    return service


def _templates(service: Service, settings: IntentSettings, valkey: Valkey | None) -> Shadow | None:
    """The standing of the templates; None where none may serve."""
    if settings.template_agreements_min == 0:
        return None
    cache: Cache[Verdict] = Cache(
        "intent_template",
        VerdictCodec(),
        service.log,
        valkey,
        service.metrics,
        settings.intent_cache_ttl_s,
        enabled=settings.cache == "on",
    )
    demotions = Demotions(lambda: service.sender)
    shadow = Shadow(
        cache,
        settings.template_agreements_min,
        settings.template_agreements_changing_min,
        on_demoted=demotions.announce,
    )
    service.log.on_invalidated.append(lambda _, invalidation: shadow.drop(invalidation.tags))
    service.log.on_history.append(shadow.drop_all)
    service.details["templates"] = shadow.state
    service.background.append(demotions.run)
    return shadow


def _model_tier(service: Service, settings: IntentSettings, names: NameIndex, valkey: Valkey | None) -> AskModel | None:
    """Asks the model servers that file and environment name; None where they name none."""
    access = ModelAccess.open("intent", settings.inference_file, os.environ, service.metrics)
    if access is None:
        return None
    reader = ReadByModel(access.client, load_prompts(settings.prompts), names)
    cache: Cache[Opinion] = Cache(
        "intent_model",
        OpinionCodec(),
        service.log,
        valkey,
        service.metrics,
        settings.intent_cache_ttl_s,
        enabled=settings.cache == "on",
    )
    service.details["inference"] = lambda: {**access.state(), "prompts": reader.prompts_key}
    service.background.append(partial(access.keep_warm, lambda: reader.schemas))
    service.at_end.append(access.client.close)
    return AskModel(reader, cache, access.identity)


async def end_request(delivery: Delivery, error: OpswireError) -> None:
    """Publish the outcome of a request that cannot go on."""
    mark = delivery.mark("intent")
    candidates = error.candidates if isinstance(error, UnclearRequestError) else []
    outcome = ended(
        delivery.variables["request_id"], error.failure, delivery.stored_ns, mark.sent_ns, None, candidates, mark
    )
    await delivery.publish(REQUEST_FINISHED, outcome)
