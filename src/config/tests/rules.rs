//! Breaks every rule of the configuration once.

use super::{CLOUD, TENANT, from_file};

const HASH: &str = "sha256:2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90";

#[test]
fn every_rule_about_libraries_is_enforced() {
    let embedded = "backend = \"embedded\"";
    rejected("[libraries]", "`libraries`: must not be empty");
    rejected(
        "[libraries.a]\nbackend = \"cloud\"",
        "`libraries.a.backend`: must be embedded, rest or opensearch",
    );
    rejected("[libraries.a]", "`libraries.a.backend`: is missing");
    rejected("[libraries]\na = 1", "`libraries.a`: must be a table");
    rejected(
        &format!("[libraries.\"a b\"]\n{embedded}"),
        "`libraries.a b`: a name is 1 to 64",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}"),
        "`libraries.a.data_dir`: is missing",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\ndata_dir = \"\""),
        "`libraries.a.data_dir`: is empty",
    );
    rejected(
        &format!(
            "[libraries.a]\n{embedded}\ndata_dir = \"x\"\n[libraries.b]\n{embedded}\ndata_dir = \"./x/\"\n"
        ),
        "`libraries.b.data_dir`: is the folder of library `a` too",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\ndata_dir = \"x\"\nmax_side = 16385"),
        "`libraries.a.max_side`: must be a number from 4096 to 16384",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\ndata_dir = \"x\"\nmax_side = 8193"),
        "`libraries.a.max_side`: needs `limits.max_decoded_bytes` of 1025 MiB",
    );
    rejected(
        &format!("{CLOUD}max_side = 8192"),
        "`libraries.cloud.max_side`: must be 4096, the vendor's limit: only an embedded library",
    );
    for capacity in ["0", "100000001", "-1", "\"many\""] {
        rejected(
            &format!("[libraries.a]\n{embedded}\ncapacity = {capacity}"),
            "`libraries.a.capacity`: must be a number from 1 to 100000000",
        );
    }
    rejected(
        &format!("[libraries.a]\n{embedded}\nprofile = \"lax\""),
        "`libraries.a.profile`: must be loose, balanced or strict, not `lax`",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\neffort = \"none\""),
        "`libraries.a.effort`: must be fast, normal or thorough, not `none`",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\nallow_private_addresses = \"yes\""),
        "`libraries.a.allow_private_addresses`: must be true or false",
    );
    rejected(
        &format!("[libraries.a]\n{embedded}\nservice = \"same_hq\""),
        "`libraries.a.service`: unknown key",
    );
}

#[test]
fn the_side_of_previews_is_a_range_or_none_and_of_embedded_libraries_only() {
    let embedded = "[libraries.a]\nbackend = \"embedded\"\ndata_dir = \"x\"";
    for side in ["1", "511", "2049", "-1", "\"large\""] {
        rejected(
            &format!("{embedded}\npreview_side = {side}"),
            "`libraries.a.preview_side`: must be a number from 512 to 2048, not",
        );
    }
    rejected(
        &format!("{CLOUD}preview_side = 1024"),
        "`libraries.cloud.preview_side`: unknown key",
    );
}

#[test]
fn the_minimum_score_of_every_library_is_from_0_to_1() {
    let embedded = "[libraries.a]\nbackend = \"embedded\"\ndata_dir = \"x\"\n";
    for score in ["1.01", "-0.1", "nan", "\"high\""] {
        for library in [embedded, CLOUD] {
            rejected(
                &format!("{library}min_score = {score}"),
                "min_score`: must be a number from 0 to 1",
            );
        }
    }
}

#[test]
fn every_rule_about_rest_libraries_is_enforced() {
    for url in [
        "ftp://h",
        "http://h?q=1",
        "http://h/#f",
        "http://u:p@h",
        "h",
    ] {
        rejected(
            &format!("{CLOUD}base_url = \"{url}\""),
            "`libraries.cloud.base_url`: must be an http or https URL",
        );
    }
    rejected(
        &format!("{CLOUD}service = \"dish\""),
        "`libraries.cloud.service`: must be same_hq",
    );
    rejected(
        &format!("{CLOUD}timeout = \"0s\""),
        "`libraries.cloud.timeout`: must be from 1ms to 1h",
    );
    rejected(
        &format!("{CLOUD}capacity = 1"),
        "`libraries.cloud.capacity`: unknown key",
    );
    rejected(
        &format!("{CLOUD}profile = \"strict\""),
        "`libraries.cloud.profile`: unknown key",
    );
    for qps in ["0", "1001", "-1", "1.5"] {
        rejected(
            &format!("{CLOUD}qps = {qps}"),
            "`libraries.cloud.qps`: must be a number from 1 to 1000",
        );
    }
}

#[test]
fn limits_of_connections_tokens_and_the_log_have_a_range() {
    for key in ["max_connections", "max_connections_per_peer"] {
        rejected(
            &format!("[listen]\n{key} = 0"),
            &format!("`listen.{key}`: must be a number from 1 to 1000000"),
        );
    }
    rejected(
        "[listen]\nmax_control_frames_per_second = 9",
        "`listen.max_control_frames_per_second`: must be a number from 10 to 1000000",
    );
    rejected(
        "[limits]\nmax_connection_idle = \"1ms\"",
        "`limits.max_connection_idle`: must be 0s for never, or from 1s to 8760h",
    );
    rejected(
        "[auth]\nmax_token_failures_per_minute = 0",
        "`auth.max_token_failures_per_minute`: must be a number from 1 to 1000000",
    );
    rejected(
        "[telemetry]\nlog_buffer = \"1KiB\"",
        "`telemetry.log_buffer`: must be from 64KiB to 1GiB",
    );
    for text in [
        "limits.max_connection_idle = \"0s\"",
        "listen.max_connections = 1000000",
    ] {
        from_file(text).unwrap();
    }
}

#[test]
fn every_rule_about_credentials_is_enforced() {
    let keys = "`libraries.cloud.credentials`: must hold 1 to 16 pairs";
    let rest = "[libraries.cloud]\nbackend = \"rest\"";
    rejected(rest, keys);
    rejected(&format!("{rest}\ncredentials = []"), keys);
    let pair = "{ api_key = \"a\", secret_key = \"b\" }";
    rejected(&format!("{rest}\ncredentials = [{}]", pairs(17)), keys);
    from_file(&format!("{rest}\ncredentials = [{}]\n{TENANT}", pairs(16))).unwrap();
    rejected(
        &format!("{rest}\ncredentials = [{pair}, {pair}]"),
        "`libraries.cloud.credentials`: names an `api_key` twice",
    );
    rejected(
        &format!("{rest}\ncredentials = \"key\""),
        "`libraries.cloud.credentials`: must be a list of tables",
    );
    rejected(
        &format!("{rest}\ncredentials = [{{ api_key = \"\" }}]"),
        "`libraries.cloud.credentials[0].api_key`: is empty",
    );
    rejected(
        &format!("{rest}\ncredentials = [{{ api_key = \"a\" }}]"),
        "`libraries.cloud.credentials[0].secret_key`: is missing; give it or `secret_key_file`",
    );
    rejected(
        &format!(
            "{rest}\ncredentials = [{{ api_key = \"a\", secret_key = \"canary-secret\", secret_key_file = \"c\" }}]"
        ),
        "`libraries.cloud.credentials[0].secret_key_file`: is given together with `secret_key`",
    );
    rejected(
        &format!(
            "{rest}\ncredentials = [{{ api_key = \"a\", secret_key_file = \"/nowhere/key\" }}]"
        ),
        "`libraries.cloud.credentials[0].secret_key_file`: cannot be read",
    );
}

fn pairs(count: usize) -> String {
    let pair = |number| format!("{{ api_key = \"{number}\", secret_key = \"b\" }}");
    (0..count).map(pair).collect::<Vec<_>>().join(", ")
}

#[test]
fn every_rule_about_tenants_is_enforced() {
    let tenant = "[tenants.a]\nlibraries = [\"default\"]";
    for weight in ["0", "101", "-1", "\"heavy\""] {
        rejected(
            &format!("{tenant}\nweight = {weight}"),
            "`tenants.a.weight`: must be a number from 1 to 100",
        );
    }
    rejected("[tenants]", "`tenants`: must not be empty");
    rejected("[tenants.a]", "`tenants.a.libraries`: must not be empty");
    rejected(
        "[tenants.a]\nlibraries = [[]]",
        "`tenants.a.libraries`: must be a list of texts",
    );
    rejected(
        &format!("{tenant}\napi_keys = [\"canary-secret\"]"),
        "`tenants.a.api_keys[0]`: must be `sha256:`",
    );
    rejected(
        &format!(
            "{tenant}\napi_keys = [\"{HASH}\"]\n[tenants.b]\nlibraries = [\"default\"]\napi_keys = [\"{HASH}\"]"
        ),
        "`tenants.b.api_keys[0]`: already belongs to tenant `a`",
    );
    rejected(
        &format!("{tenant}\nread_keys = [\"canary-secret\"]"),
        "`tenants.a.read_keys[0]`: must be `sha256:`",
    );
    rejected(
        &format!("{tenant}\napi_keys = [\"{HASH}\"]\nread_keys = [\"{HASH}\"]"),
        "`tenants.a.read_keys[0]`: is a key of `api_keys` too",
    );
    rejected(
        &format!(
            "{tenant}\napi_keys = [\"{HASH}\"]\n[tenants.b]\nlibraries = [\"default\"]\nread_keys = [\"{HASH}\"]"
        ),
        "`tenants.b.read_keys[0]`: already belongs to tenant `a`",
    );
    let pair = "rest_keys = [{ api_key = \"k\", secret_key = \"canary-secret\" }]";
    rejected(
        &format!("{tenant}\n{pair}\n[tenants.b]\nlibraries = [\"default\"]\n{pair}"),
        "`tenants.b.rest_keys[0].api_key`: already belongs to tenant `a`",
    );
    rejected(
        &format!("{tenant}\ncolour = 1"),
        "`tenants.a.colour`: unknown key; known here: libraries",
    );
    let identity = "identities = [\"spiffe://site/shop\"]";
    rejected(
        &format!("{tenant}\n{identity}\n[tenants.b]\nlibraries = [\"default\"]\n{identity}"),
        "`tenants.b.identities[0]`: already belongs to tenant `a`",
    );
    for identity in ["shop.example", "spiffe://", "dns:"] {
        rejected(
            &format!("{tenant}\nidentities = [\"{identity}\"]"),
            "`tenants.a.identities[0]`: must be a SPIFFE ID",
        );
    }
}

#[test]
fn every_rule_about_quotas_is_enforced() {
    for (quota, message) in [
        (
            "burst = 1",
            "burst`: has no effect without `requests_per_second`",
        ),
        (
            "requests_per_second = 0",
            "requests_per_second`: must be a number from 1 to 1000000",
        ),
        (
            "requests_per_day = 0",
            "requests_per_day`: must be a number from 1 to 1000000000000",
        ),
        (
            "bytes_per_second = \"63KiB\"",
            "bytes_per_second`: must be from 64KiB to 1024GiB",
        ),
        (
            "concurrent = 0",
            "concurrent`: must be a number from 1 to 1000000",
        ),
        (
            "rate = 1",
            "rate`: unknown key; known here: requests_per_second",
        ),
    ] {
        rejected(
            &format!("[tenants.a]\nlibraries = [\"default\"]\nquota = {{ {quota} }}"),
            &format!("`tenants.a.quota.{message}"),
        );
    }
    for (config, message) in [
        (
            "[quota]\nstore = \"memory\"",
            "`quota.store`: must be local or redis",
        ),
        (
            "[quota]\nstore = \"redis\"",
            "`quota.store`: is redis; give `redis.url` or `redis.url_file`",
        ),
        (
            "[rate_limit]\nstore = \"redis\"",
            "`rate_limit.store`: is redis; give `redis.url` or `redis.url_file`",
        ),
        (
            "[quota]\non_failure = \"x\"",
            "`quota.on_failure`: must be local, open or closed",
        ),
        ("[redis]", "`redis.url`: is missing; give it or `url_file`"),
        (
            "[redis]\nurl = \"http://canary-secret@h\"",
            "`redis.url`: must be a URL",
        ),
        (
            "[redis]\nurl = \"redis://canary-secret@h\"\nreplicas = 0",
            "`redis.replicas`: must be a number from 1 to 10000",
        ),
    ] {
        rejected(config, message);
    }
}

#[test]
fn every_rule_about_tokens_is_enforced() {
    let good = "issuer = \"https://id\", audience = [\"a\"]";
    for (jwt, message) in [
        ("1", "`auth.jwt`: must be a table"),
        (
            "{ audience = [\"a\"], jwks_file = \"f\" }",
            "`auth.jwt.issuer`: is missing",
        ),
        (
            "{ issuer = \"i\", jwks_file = \"f\" }",
            "`auth.jwt.audience`: must not be empty",
        ),
        (
            &format!("{{ {good} }}"),
            "`auth.jwt.jwks_url`: is missing; give it or `jwks_file`",
        ),
        (
            &format!("{{ {good}, jwks_file = \"f\", jwks_url = \"http://id/\" }}"),
            "`auth.jwt.jwks_url`: is given together with `jwks_file`",
        ),
        (
            &format!("{{ {good}, jwks_url = \"file:///f\" }}"),
            "`auth.jwt.jwks_url`: must be an http or https URL",
        ),
        (
            &format!("{{ {good}, jwks_file = \"f\", jwks_cooldown = \"0s\" }}"),
            "`auth.jwt.jwks_cooldown`: must be from 1s to 24h",
        ),
    ] {
        rejected(&format!("[auth]\njwt = {jwt}"), message);
    }
}

#[test]
fn every_rule_about_limits_and_logs_is_enforced() {
    for size in ["\"63KiB\"", "\"65MiB\"", "0"] {
        rejected(
            &format!("[limits]\nmax_message_bytes = {size}"),
            "`limits.max_message_bytes`: must be from 64KiB to 64MiB",
        );
    }
    rejected(
        "[limits]\nmax_image_bytes = \"8MiB\"",
        "`limits.max_image_bytes`: leaves less than 4 KiB of `limits.max_message_bytes`",
    );
    rejected(
        "[limits]\nmax_bytes_in_flight = \"15MiB\"",
        "`limits.max_bytes_in_flight`: is less than twice `limits.max_message_bytes`",
    );
    rejected(
        "[limits]\nmax_decoded_bytes = \"255MiB\"",
        "`limits.max_decoded_bytes`: must be from 256MiB to 1024GiB",
    );
    rejected(
        "[limits]\nmax_requests_in_flight = 3",
        "`limits.max_requests_in_flight`: must be a number from 4 to 1000000",
    );
    rejected(
        "[limits]\nmax_message_bytes = true",
        "`limits.max_message_bytes`: must be a size",
    );
    rejected(
        "[limits]\nmax_deadline = \"25h\"",
        "`limits.max_deadline`: must be from 1ms to 24h",
    );
    rejected(
        "[limits]\ndefault_deadline = \"0s\"",
        "`limits.default_deadline`: must be from 1ms",
    );
    rejected(
        "[limits]\ndrain_timeout = \"2h\"",
        "`limits.drain_timeout`: must be from 0s to 1h",
    );
    rejected(
        "[limits]\ndrain_timeout = [1]",
        "`limits.drain_timeout`: must be a single value",
    );
    rejected(
        "[telemetry]\nlog_format = \"xml\"",
        "`telemetry.log_format`: must be text or json",
    );
    for level in ["loud", "", "samegate=", "=info", "info,,"] {
        rejected(
            &format!("[telemetry]\nlog_level = \"{level}\""),
            "`telemetry.log_level`: must be one of",
        );
    }
    rejected("auth = 1", "`auth`: must be a table");
    rejected(
        "[colour]",
        "`colour`: unknown key; known here: listen, libraries",
    );
}

#[test]
fn limits_on_slow_callers_and_shares_have_a_range() {
    rejected(
        "[limits]\nmax_tenant_percent = 101",
        "`limits.max_tenant_percent`: must be a number from 1 to 100",
    );
    rejected(
        "[limits]\nbody_timeout = \"0s\"",
        "`limits.body_timeout`: must be from 1s to 1h",
    );
    rejected(
        "[limits]\nmin_body_bytes_per_second = 0",
        "`limits.min_body_bytes_per_second`: must be a number from 1 to 1048576",
    );
}

#[test]
fn the_share_of_a_tenant_among_several_holds_a_message() {
    let tenant = |name| format!("[tenants.{name}]\nlibraries = [\"default\"]\n");
    let limits = "[limits]\nmax_bytes_in_flight = \"16MiB\"\n";
    rejected(
        &format!("{limits}{}{}", tenant("a"), tenant("b")),
        "`limits.max_tenant_percent`: of `max_bytes_in_flight` is less than twice",
    );
    from_file(&format!("{limits}{}", tenant("a"))).unwrap();
}

#[test]
fn a_listener_beyond_loopback_needs_credentials() {
    let open = "[listen]\ngrpc = \"0.0.0.0:1\"\n[tenants.a]\nlibraries = [\"default\"]";
    let keys = format!("api_keys = [\"{HASH}\"]");
    rejected(
        open,
        "`listen.grpc`: is not loopback while tenant `a` needs no credentials",
    );
    from_file(&format!("{open}\n{keys}")).unwrap();
    from_file(&format!("{open}\nread_{}", keys.trim_start_matches("api_"))).unwrap();
    from_file(&format!("{open}\n[auth]\nanonymous = true")).unwrap();

    let open = "[listen]\nrest = \"[::]:1\"";
    let pair = "[tenants.a]\nlibraries = [\"default\"]\nrest_keys = [{ api_key = \"local\", secret_key = \"SECRET\" }]";
    rejected(
        &format!("{open}\n{}", pair.replace("SECRET", "local")),
        "`listen.rest`: is not loopback while tenant `a` has a secret key that equals its API key",
    );
    from_file(open).unwrap();
    from_file(&format!("{open}\n{pair}")).unwrap();
}

#[test]
fn two_listeners_cannot_have_the_same_address() {
    rejected(
        "[listen]\nadmin = \"127.0.0.1:8080\"",
        "`listen.admin`: is the address of `listen.rest` too",
    );
    from_file("[listen]\ngrpc = \"127.0.0.1:0\"\nrest = \"127.0.0.1:0\"").unwrap();
}

pub(super) fn rejected(text: &str, message: &str) {
    let errors = from_file(text).expect_err(text);
    assert!(errors.contains(message), "{text}\n---\n{errors}");
    assert!(!errors.contains("canary"), "{errors}");
}
