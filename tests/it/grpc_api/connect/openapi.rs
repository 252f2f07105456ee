//! The OpenAPI document; `make clients` validates it.

use serde_json::Value;

use crate::support::gateway::Gateway;

async fn document(gateway: &Gateway) -> Value {
    let url = format!("http://{}/openapi.json", gateway.addresses.grpc);
    let response = reqwest::get(url).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

#[tokio::test]
async fn every_unary_method_is_described_with_its_comments_and_types() {
    let gateway = Gateway::start().await;

    let document = document(&gateway).await;

    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() >= 9, "{:?}", paths.keys());
    let search = &paths["/samegate.v1.SameImageService/SearchImages"]["post"];
    assert_eq!(search["operationId"], "SearchImages");
    assert!(
        search["summary"]
            .as_str()
            .unwrap()
            .starts_with("Finds the images"),
        "{search}"
    );
    assert!(
        search["description"]
            .as_str()
            .unwrap()
            .contains("INVALID_ARGUMENT")
    );
    assert!(!paths.contains_key("/samegate.v1.SameImageService/FindDuplicates"));
    let schemas = &document["components"]["schemas"];
    let add = &schemas["AddImageRequest"];
    assert_eq!(add["properties"]["content"]["contentEncoding"], "base64");
    assert_eq!(add["properties"]["tags"]["type"], "array");
    assert_eq!(add["allOf"][0]["oneOf"][1]["required"][0], "url");
    let image = &schemas["Image"]["properties"];
    assert_eq!(
        (&image["addTime"]["format"], &image["sizeBytes"]["type"]),
        (&"date-time".into(), &"string".into())
    );
    let names = schemas["OnDuplicate"]["enum"].as_array().unwrap();
    assert!(names.contains(&"ON_DUPLICATE_ACCEPT".into()), "{names:?}");
    assert!(
        document["info"]["description"]
            .as_str()
            .unwrap()
            .contains("ErrorInfo")
    );
}

#[tokio::test]
async fn every_reference_leads_to_a_schema_with_a_description() {
    let gateway = Gateway::start().await;
    let document = document(&gateway).await;
    let text = document.to_string();

    let references = text.split("\"#/components/schemas/").skip(1);
    for name in references.map(|rest| rest.split('"').next().unwrap()) {
        let schema = &document["components"]["schemas"][name];
        assert!(schema["description"].is_string(), "{name}: {schema}");
    }
}
