//! What a tenant sees of the gateway's state.

use samegate::proto::v1;

use super::{Two, by};
use crate::support::probe::until;

#[tokio::test]
async fn the_state_shows_ones_own_libraries_quota_and_calls_only() {
    let two = Two::start().await;
    two.call("ListImages", "mine", "").await.unwrap();
    two.call("GetImage", "mine", "1,2").await.unwrap_err();
    two.call("GetState", "", "").await.unwrap();
    let mut client = two.gateway.client().await;
    let mut state = v1::GetStateResponse::default();

    // A call is among them once its response has been sent to the end.
    until("both calls", async || {
        let request = by("me", v1::GetStateRequest {});
        state = client.get_state(request).await.unwrap().into_inner();
        state.calls.len() == 2
    })
    .await;

    assert_eq!(state.tenant, "me");
    let names = state.libraries.iter().map(|library| &*library.library);
    assert_eq!(names.collect::<Vec<_>>(), ["mine"]);
    // Neither their addition of an image nor the state itself.
    let calls = state.calls.iter().map(|call| {
        let method = call.method.rsplit('/').next().unwrap();
        (method, &*call.code, &*call.reason, &*call.library)
    });
    let expected = [
        ("GetImage", "NOT_FOUND", "IMAGE_NOT_FOUND", "mine"),
        ("ListImages", "OK", "", "mine"),
    ];
    assert_eq!(calls.collect::<Vec<_>>(), expected);
    assert!(!state.config_failed);
    assert_eq!(state.version, env!("CARGO_PKG_VERSION"));
}
