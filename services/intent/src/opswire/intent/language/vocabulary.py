"""The closed word lists that extraction, templates and risk share. Lower case throughout."""

from __future__ import annotations

from opswire.contracts.types import EntityType


def _words(text: str) -> frozenset[str]:
    """The words of a text as a set."""
    return frozenset(text.split())


ENVIRONMENT_WORDS: dict[str, str] = {
    "production": "production", "prod": "production", "prd": "production", "live": "production",
    "staging": "staging", "stage": "staging", "stg": "staging", "preprod": "staging", "pre-prod": "staging",
    "pre-production": "staging", "preproduction": "staging", "uat": "staging",
    "development": "development", "dev": "development", "sandbox": "development",
    "test": "test", "testing": "test", "qa": "test", "integration": "test",
}  # fmt: skip
"""How people write an environment, and which one they mean."""

ENVIRONMENT_IF_PLACED = frozenset({"live", "stage", "test", "testing", "integration", "sandbox", "dev"})
"""Ordinary words: an environment only after `in`, `on`, `to` ... or before `environment`, `cluster`, `servers` ..."""

PLACE_WORDS = frozenset({"in", "on", "to", "from", "at", "across", "into", "for", "of", "our", "the", "all", "every"})

ASSET_TYPE_WORDS: dict[str, str] = {
    "server": "host", "servers": "host", "host": "host", "hosts": "host", "machine": "host", "machines": "host",
    "box": "host", "boxes": "host", "node": "host", "nodes": "host", "vm": "host", "vms": "host",
    "instance": "host", "instances": "host", "switches": "host", "routers": "host", "firewalls": "host",
    "hypervisors": "host", "devices": "host", "laptops": "host", "workstations": "host",
    "database": "database", "databases": "database", "dbs": "database", "db": "database",
    "service": "service", "services": "service", "pod": "service", "pods": "service",
    "deployment": "service", "deployments": "service", "daemonsets": "service", "statefulsets": "service",
    "cronjobs": "service", "jobs": "service", "queues": "service", "containers": "service", "workloads": "service",
    "namespaces": "namespace", "clusters": "cluster", "volumes": "volume", "pvcs": "volume", "buckets": "volume",
    "disks": "volume", "snapshots": "snapshot", "backups": "snapshot", "certificates": "certificate",
    "certs": "certificate", "dashboards": "dashboard", "secrets": "secret", "configmaps": "configmap",
    "ingresses": "ingress", "subnets": "network", "vlans": "network", "networks": "network", "vpcs": "network",
    "users": "user", "groups": "group", "roles": "role", "assets": "asset", "apps": "application",
    "applications": "application", "topics": "topic", "indices": "index", "images": "image", "repos": "repository",
    "repositories": "repository", "endpoints": "endpoint", "sites": "site", "racks": "rack", "monitors": "monitor",
    "releases": "release", "charts": "chart", "tables": "table", "collections": "collection",
}  # fmt: skip
"""What things are called when they are listed or counted, and the inventory's type for it."""

LISTED_TYPES = frozenset(word for word in ASSET_TYPE_WORDS if word.endswith("s"))
"""The plural forms: only these are entities, because one thing is named, not typed."""

NOUN_TYPES: dict[str, EntityType] = {
    "service": EntityType.SERVICE, "services": EntityType.SERVICE, "daemon": EntityType.SERVICE,
    "deployment": EntityType.SERVICE, "pod": EntityType.SERVICE, "statefulset": EntityType.SERVICE,
    "daemonset": EntityType.SERVICE, "job": EntityType.SERVICE, "cronjob": EntityType.SERVICE,
    "queue": EntityType.SERVICE, "container": EntityType.SERVICE, "unit": EntityType.SERVICE,
    "pipeline": EntityType.SERVICE,
    "worker": EntityType.SERVICE, "pipelinerun": EntityType.SERVICE, "microservice": EntityType.SERVICE,
    "host": EntityType.HOST, "server": EntityType.HOST, "vm": EntityType.HOST, "node": EntityType.HOST,
    "machine": EntityType.HOST, "box": EntityType.HOST, "instance": EntityType.HOST, "switch": EntityType.HOST,
    "namespace": EntityType.NAMESPACE, "ns": EntityType.NAMESPACE,
    "database": EntityType.DATABASE, "db": EntityType.DATABASE, "schema": EntityType.DATABASE,
    "app": EntityType.APPLICATION, "application": EntityType.APPLICATION, "release": EntityType.APPLICATION,
    "dashboard": EntityType.APPLICATION, "chart": EntityType.APPLICATION,
    "user": EntityType.USER, "account": EntityType.USER,
    "package": EntityType.PACKAGE,
    "cluster": EntityType.ENVIRONMENT, "environment": EntityType.ENVIRONMENT, "site": EntityType.SITE,
    "tag": EntityType.TAG, "label": EntityType.TAG,
}  # fmt: skip
"""The nouns that say what the name before or after them is."""

PRODUCTS = _words("""
    nginx apache apache2 httpd haproxy envoy traefik caddy varnish postgres postgresql mysql mariadb mongodb
    mongo redis valkey memcached kafka zookeeper rabbitmq activemq nats elasticsearch opensearch logstash
    kibana fluentd fluentbit filebeat grafana prometheus alertmanager loki tempo jaeger vault consul nomad
    etcd coredns bind9 unbound dnsmasq docker dockerd containerd podman kubelet kube-proxy cilium istio
    linkerd calico argocd flux jenkins gitlab nexus harbor tomcat jetty wildfly gunicorn uwsgi celery
    supervisord sshd ntpd chronyd crond rsyslog postfix dovecot iis mssql winrm keycloak airflow spark
    clickhouse cassandra minio ceph openvpn wireguard keepalived
""")
"""Well-known software: a service where it is acted on or placed on a host, an application otherwise."""

COMMANDS = _words("""
    kubectl helm docker docker-compose podman crictl systemctl service journalctl ansible ansible-playbook
    terraform df du ls ps top free uptime uname who w id cat tail head grep awk sed find lsof netstat ss ip
    ifconfig ping traceroute dig nslookup host curl wget openssl apt apt-get yum dnf rpm dpkg pip npm git rm
    mv cp chmod chown mount umount reboot shutdown kill pkill useradd usermod passwd crontab iptables nft
    ufw sysctl dmesg vmstat iostat sar psql mysql mysqldump pg_dump redis-cli mongosh qm pct pvesh virsh az
    aws gcloud oc vault consul hostname date get-service get-process restart-service get-eventlog
    invoke-command ipconfig sfc chkdsk
""")
"""First words that make a quoted or following text a command."""

CLI_HEADS = _words("""
    kubectl helm docker systemctl journalctl ansible-playbook terraform virsh pvesh redis-cli psql az gcloud
""")
"""Commands that nobody uses as an English word: a command wherever they stand."""

METRIC_WORDS = _words("""
    cpu memory mem ram disk load latency throughput swap iops rps qps bandwidth uptime utilization
    utilisation traffic p50 p90 p95 p99 inodes io iowait temperature
""")

METRIC_PAIRS: dict[str, frozenset[str]] = {
    "rate": _words("error success request burn hit failure"), "rates": _words("error success request"),
    "time": _words("response"), "times": _words("response"), "average": _words("load"),
    "depth": _words("queue"), "length": _words("queue"), "usage": _words("disk"), "lag": _words("replication consumer"),
    "loss": _words("packet"), "size": _words("heap"),
}  # fmt: skip
"""Metrics of two words: the second one, and what may stand before it."""

OS_WORDS = _words("""
    windows linux ubuntu debian rhel centos fedora alpine macos rocky almalinux suse sles freebsd solaris
    esxi aix
""")

ACT_VERBS = _words("""
    restart reboot bounce recycle start stop kill scale redeploy reload respawn resume pause suspend
""")
RELEASE_VERBS = _words("""
    deploy rollback upgrade release promote ship revert uninstall install
""")

STOP_WORDS = _words("""
    a an the this that these those it its my our your their his her all any every each some one other
    another same old new current latest last first next previous main whole entire and or but of in on at to
    for from with by as into onto over is are was were be been being am do does did has have had can could
    should would will may might must not no yes if then else when while where why how what which who whom
    whose there here now again back up down off out please me us you i we they he she them t s re ve ll d m
    so just still only also too very more most less least than about after before since until during between
    both few many much such own via per using use running named called everything anything something nothing
    everyone someone failing failed broken slow stuck stable existing available unavailable entire healthy
    unhealthy multiple several various read-only down dead bad good sure
""")

RESERVED_WORDS = _words("""
    all every any each everything list show get count how many what which who why when where is are check
    status restart reboot start stop kill bounce scale deploy rollback roll release run execute exec cat
    read open set change update add remove delete drop purge wipe destroy create make grant revoke give
    allow deny block install upgrade patch backup restore snapshot ack acknowledge resolve silence mute page
    declare escalate schedule remind watch summarise summarize convert extract turn write report explain
    help hello hi hey find search tail logs log ping test trace diagnose debug fix server servers host hosts
    service services node nodes vm vms pod pods database databases cluster production prod staging dev error
    errors warning critical alert alerts incident incidents no not never don't without except
    enable disable mute unmute pause resume cancel abort close drain cordon uncordon terminate shut power suspend rotate
    renew reset lock unlock clear flush verify compare describe display fetch invite approve launch trigger kick attach
    detach mount unmount rename move copy sync import export promote revert undo recover wake archive isolate quarantine
    version
""")
"""Words that carry the intent: an asset of that name is taken for itself only where the text points at it."""

POINTERS = _words("""
    on host server vm node machine box service named called app deployment pod
""")
"""The words before a reserved word that make it a name."""

FLEET_WORDS = _words("""
    all every everything everywhere any each entire whole fleet both
""")
NEGATIONS = _words("""
    not no never without except excluding but unless dont don't doesnt doesn't cannot can't cant isn't isnt
    aren't arent won't wont neither nor avoid instead ignore skip
""")
