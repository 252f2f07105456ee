"""The configuration of Envoy in front of samegate that docs/mesh.md describes.

The page uses the resources of Kubernetes; this file uses Envoy's own format.
"""

GATEWAY, MESH = "samegate.test", "mesh.test"
SERVICE = "samegate.v1.SameImageService"
TYPE = "type.googleapis.com/envoy.extensions"
OTHER_HOST = {
    "retry_host_predicate": [
        {
            "name": "envoy.retry_host_predicates.previous_hosts",
            "typed_config": {
                "@type": f"{TYPE}.retry.host.previous_hosts.v3.PreviousHostsPredicate"
            },
        }
    ],
    "host_selection_retry_max_attempts": 5,
}
# Safe for every call: the request was never sent, or was rejected unread
# (GOAWAY).
SAFE_RETRY = {"retry_on": "connect-failure,rejected-stream", "num_retries": 1, **OTHER_HOST}
# For a gateway whose vendor is unavailable: another gateway may use another
# route to it. Only for idempotent calls.
RETRY_UNAVAILABLE = {
    "retry_on": "connect-failure,rejected-stream,unavailable",
    "num_retries": 1,
    **OTHER_HOST,
}
# Ejects a gateway whose calls fail with UNAVAILABLE, and keeps it ejected while
# its health is SERVING: health does not depend on the vendor.
OUTLIERS = {
    "consecutive_gateway_failure": 3,
    "enforcing_consecutive_gateway_failure": 100,
    "interval": "0.2s",
    "base_ejection_time": "300s",
    "max_ejection_percent": 50,
    "successful_active_health_check_uneject_host": False,
}


def config(listen, admin, targets, certificates, log, retry=None, outliers=False):
    cluster = {
        "name": "samegate",
        "type": "STATIC",
        "connect_timeout": "5s",
        "lb_policy": "ROUND_ROBIN",
        # The default is 3 at once; more calls than that can reach a gateway that stops.
        "circuit_breakers": {"thresholds": [{"max_retries": 100}]},
        # Never send calls to an unhealthy gateway, also when no other is left.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{TYPE}.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "health_checks": [
            {
                "timeout": "5s",
                "interval": "0.2s",
                # The default of 60 s is longer than a lame duck.
                "no_traffic_interval": "0.2s",
                "unhealthy_threshold": 1,
                "healthy_threshold": 1,
                "grpc_health_check": {"service_name": SERVICE, "authority": GATEWAY},
            }
        ],
        "transport_socket": tls(certificates),
        "load_assignment": {
            "cluster_name": "samegate",
            "endpoints": [{"lb_endpoints": [endpoint(target) for target in targets]}],
        },
    }
    if outliers:
        cluster["outlier_detection"] = OUTLIERS
    return {
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [listener(listen, log, retry or SAFE_RETRY)],
            "clusters": [cluster],
        },
    }


def listener(listen, log, retry):
    manager = {
        "@type": f"{TYPE}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "listener",
        "codec_type": "HTTP2",
        # Bulk loads run for hours and can be idle for a long time.
        "stream_idle_timeout": "0s",
        "route_config": {
            "virtual_hosts": [{"name": "samegate", "domains": ["*"], "routes": routes(retry)}]
        },
        "http_filters": [
            {
                "name": "envoy.filters.http.router",
                "typed_config": {"@type": f"{TYPE}.filters.http.router.v3.Router"},
            }
        ],
        "access_log": [
            {
                "name": "envoy.access_loggers.file",
                "typed_config": {
                    "@type": f"{TYPE}.access_loggers.file.v3.FileAccessLog",
                    "path": log,
                    "log_format": {
                        "json_format": {
                            "path": "%REQ(:PATH)%",
                            "status": "%GRPC_STATUS(SNAKE_STRING)%",
                            "attempts": "%REQ(grpc-previous-rpc-attempts)%",
                            "gateway": "%UPSTREAM_HOST%",
                        }
                    },
                },
            }
        ],
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {"name": "listener", "address": address(listen), "filter_chains": [{"filters": [manager]}]}


def routes(retry):
    """By service, so that nothing else of the port is reachable. The time limit
    of a call is its caller's (grpc-timeout), and else the gateway's."""
    limits = {"timeout": "0s", "max_stream_duration": {"grpc_timeout_header_max": "0s"}}
    to = {"cluster": "samegate", **limits}
    stream = {"path": f"/{SERVICE}/AddImages", "grpc": {}}
    unary = {"prefix": f"/{SERVICE}/", "grpc": {}}
    health = {"prefix": "/grpc.health.v1.Health/", "grpc": {}}
    return [
        {"match": stream, "route": {**to, "retry_policy": SAFE_RETRY}},
        {"match": unary, "route": {**to, "retry_policy": retry}},
        {"match": health, "route": {**to, "retry_policy": SAFE_RETRY}},
    ]


def tls(certificates):
    """Mutual TLS between the mesh and the gateway."""
    pair = {
        "certificate_chain": {"filename": f"{certificates}/{MESH}.pem"},
        "private_key": {"filename": f"{certificates}/{MESH}.key"},
    }
    san = {"san_type": "DNS", "matcher": {"exact": GATEWAY}}
    validation = {
        "trusted_ca": {"filename": f"{certificates}/ca.pem"},
        "match_typed_subject_alt_names": [san],
    }
    common = {
        "tls_certificates": [pair],
        "validation_context": validation,
        "alpn_protocols": ["h2"],
    }
    context = f"{TYPE}.transport_sockets.tls.v3.UpstreamTlsContext"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": context, "sni": GATEWAY, "common_tls_context": common},
    }


def endpoint(target):
    return {"endpoint": {"address": address(target)}}


def address(text):
    host, port = text.rsplit(":", 1)
    return {"socket_address": {"address": host, "port_value": int(port)}}
