//! The key pair of the default configuration: its secret is generated, and in no output. Warnings of
//! weak secrets and other risks.

use crate::support::process::{Process, samegate};

async fn token_status(process: &Process, secret: &str) -> u16 {
    let keys = format!("grant_type=client_credentials&client_id=local&client_secret={secret}");
    let url = format!("http://{}/oauth/2.0/token?{keys}", process.rest);
    reqwest::get(url).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_banner_leads_to_a_secret_that_no_output_holds() {
    let process = Process::start("").await.ready().await;
    let file = process.path("samegate-data/rest-secret-local");
    let secret = std::fs::read_to_string(file).unwrap();

    assert_eq!(token_status(&process, &secret).await, 200);
    assert_eq!(token_status(&process, "local").await, 401);

    let ended = process.end().await;
    let file = "./samegate-data/rest-secret-local";
    let shown = format!("API key local, secret key in {file}");
    assert!(ended.out.contains(&shown), "{}", ended.out);
    let command = format!("-d client_id=local --data-urlencode client_secret@{file}");
    assert!(ended.out.contains(&command), "{}", ended.out);
    assert!(ended.err.contains("REST secret generated"), "{}", ended.err);
    for output in [ended.out, ended.err] {
        assert!(!output.contains(&secret), "{output}");
    }
}

#[tokio::test]
async fn a_check_of_a_risky_configuration_warns_and_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("samegate.toml");
    std::fs::write(&file, "[listen]\nadmin = \"0.0.0.0:9090\"\n").unwrap();
    let mut check = samegate();
    check.args(["config", "check"]).arg(&file);

    let checked = check.output().await.unwrap();

    assert!(checked.status.success());
    let warnings = String::from_utf8(checked.stderr).unwrap();
    assert!(warnings.starts_with("warning: "), "{warnings}");
    assert!(
        warnings.contains(":2: `listen.admin`: is not loopback"),
        "{warnings}"
    );
    let result = String::from_utf8(checked.stdout).unwrap();
    assert!(result.ends_with("samegate.toml: no errors\n"), "{result}");
}
