//! Scripted faults and gates.

use super::*;

#[tokio::test]
async fn queued_faults_come_first_and_then_the_permanent_one() {
    let client = PlainClient::start().await;
    client.vendor.always(Operation::Search, Fault::code(18));
    client
        .vendor
        .script(Operation::Search, Fault::code(216_630));
    client
        .vendor
        .script(Operation::Search, Fault::code_with_log_id(4, 5));

    let scripted = |code: i64| json!({ "error_code": code, "error_msg": "scripted" });
    assert!(client.search(&png(1), &[]).await["log_id"].is_u64());
    assert_eq!(client.search(&png(1), &[]).await["log_id"], 5);
    for _ in 0..2 {
        assert_eq!(client.search(&png(1), &[]).await, scripted(18));
    }
    client.vendor.behave(Operation::Search);
    assert_eq!(client.search(&png(1), &[]).await["result_num"], 0);
}

#[tokio::test]
async fn scripted_bodies_are_sent_unchanged() {
    let client = PlainClient::start().await;
    client
        .vendor
        .script(Operation::Token, Fault::invalid_client());
    client
        .vendor
        .script(Operation::Token, Fault::json("{\"access_token\":"));
    client.vendor.script(Operation::Token, Fault::html(500));
    let url = format!(
        "{}/oauth/2.0/token?grant_type=client_credentials",
        client.vendor.url()
    );

    for (status, start) in [
        (401, "{\"error\":"),
        (200, "{\"access_token\":"),
        (500, "<html>"),
    ] {
        let response = client.http.get(&url).send().await.unwrap();
        assert_eq!(response.status(), status);
        assert!(response.text().await.unwrap().starts_with(start));
    }
}

#[tokio::test]
async fn quoted_scalars_leave_no_number_and_no_boolean() {
    let client = PlainClient::start().await;
    client.add(&png(1), "1", "").await;
    client
        .vendor
        .script(Operation::Search, Fault::QuotedScalars);

    let found = client.search(&png(1), &[]).await;

    assert_eq!(
        (&found["has_more"], &found["result_num"]),
        (&json!("false"), &json!("1"))
    );
    assert_eq!(found["result"][0]["score"], "1.0");
    assert!(found["log_id"].is_string());
}

#[tokio::test]
async fn a_closed_connection_has_an_effect_only_if_the_fault_serves() {
    for (fault, stored) in [
        (Fault::Reset, 0),
        (Fault::LostResponse, 1),
        (Fault::HalfBody, 1),
    ] {
        let client = PlainClient::start().await;
        client.vendor.script(Operation::Add, fault.clone());
        let image = STANDARD.encode(png(1));

        let form = encode(&[("image", &image), ("brief", "1")]);
        let response = client.post("add", FORM, form).await;

        assert!(response.is_err(), "{fault:?}");
        assert_eq!(client.vendor.stored().len(), stored, "{fault:?}");
        assert_eq!(client.vendor.aborted(), 0, "{fault:?}");
    }
}

#[tokio::test]
async fn half_a_body_arrives_before_the_connection_is_closed() {
    let client = PlainClient::start().await;
    for fault in [Fault::HalfBody, Fault::SlowBody(Gate::closed())] {
        client.vendor.script(Operation::Token, fault);
        let form =
            format!("grant_type=client_credentials&client_id={API_KEY}&client_secret={SECRET_KEY}");
        let url = format!("{}/oauth/2.0/token?{form}", client.vendor.url());

        let mut response = client.http.get(url).send().await.unwrap();

        assert!(response.chunk().await.unwrap().unwrap().starts_with(b"{"));
    }
}

#[tokio::test]
async fn a_gate_holds_a_call_until_it_opens() {
    for hold in [Fault::Head, Fault::LateHead, Fault::SlowBody] {
        let client = PlainClient::start().await;
        let (gate, image) = (Gate::closed(), png(1));
        client.vendor.always(Operation::Search, hold(gate.clone()));
        let search = client.search(&image, &[]);
        let held = async {
            client
                .vendor
                .until("two searches are held", || gate.held() == 2)
                .await;
            gate.pass(1);
            client
                .vendor
                .until("one of them went", || gate.held() == 1)
                .await;
            gate.open();
        };

        let (one, two, ()) = tokio::join!(search, client.search(&image, &[]), held);

        assert_eq!(
            (&one["result_num"], &two["result_num"]),
            (&json!(0), &json!(0))
        );
        assert_eq!(
            (client.vendor.max_concurrent(), client.vendor.aborted()),
            (2, 0)
        );
    }
}

#[tokio::test]
async fn a_call_that_its_client_cancels_counts_as_aborted() {
    for (number, hold) in [Fault::Head, Fault::LateHead, Fault::SlowBody]
        .into_iter()
        .enumerate()
    {
        let client = PlainClient::start().await;
        let (gate, image) = (Gate::closed(), png(1));
        client.vendor.always(Operation::Search, hold(gate.clone()));

        tokio::select! {
            _ = client.search(&image, &[]) => panic!("the gate is closed"),
            () = client.vendor.until("it is held", || gate.held() == 1) => {}
        }

        let aborted = || client.vendor.aborted() == 1 && gate.held() == 0;
        client
            .vendor
            .until(&format!("fault {number} notices"), aborted)
            .await;
    }
}
