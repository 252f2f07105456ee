//! Isolation of tenants: what belongs to one does not exist for another, at every method of both
//! APIs; and the tokens of REST keys.

mod state;

use base64::Engine;
use prost::Message;
use prost_types::FileDescriptorSet;
use samegate::proto::v1::add_images_request::Payload;
use samegate::proto::{DESCRIPTORS, v1};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::support::gateway::Gateway;
use crate::support::images::png;

/// A gateway with the tenants `me` and `them`, each with a library and keys; theirs holds one
/// image, with the sign in `secret`.
struct Two {
    gateway: Gateway,
    secret: String,
}

impl Two {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let part = |tenant: &str, library: &str| {
            let (hash, read_hash) = (hash_of(tenant), hash_of(&format!("reader-of-{tenant}")));
            let data = folder.path().join(library);
            format!(
                "[libraries.{library}]\nbackend = \"embedded\"\ndata_dir = {data:?}\n\
                 [tenants.{tenant}]\nlibraries = [\"{library}\"]\napi_keys = [\"sha256:{hash}\"]\n\
                 read_keys = [\"sha256:{read_hash}\"]\n\
                 rest_keys = [{{ api_key = \"{tenant}\", secret_key = \"s\" }}, \
                 {{ api_key = \"reader-of-{tenant}\", secret_key = \"s\", read_only = true }}]\n"
            )
        };
        let config = part("me", "mine") + &part("them", "theirs");
        let gateway = Gateway::in_folder(folder, &config).await;
        let request = v1::AddImageRequest {
            brief: "secret".to_owned(),
            source: Some(v1::add_image_request::Source::Content(png(1))),
            ..Default::default()
        };
        let added = gateway.client().await.add_image(by("them", request)).await;
        let secret = added.unwrap().into_inner().cont_sign;
        Two { gateway, secret }
    }

    /// Calls a method as `me`, with a valid request.
    async fn call(&self, method: &str, library: &str, sign: &str) -> Result<(), Status> {
        self.call_as("me", method, library, sign).await
    }

    /// Calls a method with a key and a valid request.
    async fn call_as(
        &self,
        key: &'static str,
        method: &str,
        library: &str,
        sign: &str,
    ) -> Result<(), Status> {
        let mut client = self.gateway.client().await;
        let (library, sign) = (library.to_owned(), sign.to_owned());
        match method {
            "AddImage" => {
                let source = Some(v1::add_image_request::Source::Content(png(2)));
                let request = v1::AddImageRequest {
                    library,
                    source,
                    ..Default::default()
                };
                client.add_image(by(key, request)).await.map(drop)
            }
            "AddImages" => {
                let options = v1::AddImagesOptions {
                    library,
                    ..Default::default()
                };
                let payload = Some(Payload::Options(options));
                let messages = tokio_stream::iter([v1::AddImagesRequest { payload }]);
                let response = client.add_images(by(key, messages)).await;
                response?.into_inner().message().await.map(drop)
            }
            "SearchImages" => {
                let source = Some(v1::search_images_request::Source::Content(png(1)));
                let request = v1::SearchImagesRequest {
                    library,
                    source,
                    ..Default::default()
                };
                client.search_images(by(key, request)).await.map(drop)
            }
            "UpdateImage" => {
                let request = v1::UpdateImageRequest {
                    library,
                    target: Some(v1::update_image_request::Target::ContSign(sign)),
                    brief: Some("changed".to_owned()),
                    ..Default::default()
                };
                client.update_image(by(key, request)).await.map(drop)
            }
            "DeleteImages" => {
                let signs = v1::ContSignList { values: vec![sign] };
                let request = v1::DeleteImagesRequest {
                    library,
                    target: Some(v1::delete_images_request::Target::ContSigns(signs)),
                    ..Default::default()
                };
                client.delete_images(by(key, request)).await.map(drop)
            }
            _ => self.read(key, method, library, sign).await,
        }
    }

    async fn read(
        &self,
        key: &'static str,
        method: &str,
        library: String,
        sign: String,
    ) -> Result<(), Status> {
        let mut client = self.gateway.client().await;
        match method {
            "GetLibrary" => {
                let request = v1::GetLibraryRequest { library };
                client.get_library(by(key, request)).await.map(drop)
            }
            "ListImages" => {
                let request = v1::ListImagesRequest {
                    library,
                    ..Default::default()
                };
                client.list_images(by(key, request)).await.map(drop)
            }
            "GetImage" => {
                let request = v1::GetImageRequest {
                    library,
                    cont_sign: sign,
                    preview: true,
                };
                client.get_image(by(key, request)).await.map(drop)
            }
            "ListTags" => {
                let request = v1::ListTagsRequest { library };
                client.list_tags(by(key, request)).await.map(drop)
            }
            "GetState" => {
                let request = v1::GetStateRequest {};
                client.get_state(by(key, request)).await.map(drop)
            }
            "ListLibraries" => {
                let request = v1::ListLibrariesRequest {};
                client.list_libraries(by(key, request)).await.map(drop)
            }
            _ => self.find(key, method, library, sign).await,
        }
    }

    async fn find(
        &self,
        key: &'static str,
        method: &str,
        library: String,
        sign: String,
    ) -> Result<(), Status> {
        let mut client = self.gateway.client().await;
        match method {
            "FindDuplicates" => {
                let request = v1::FindDuplicatesRequest {
                    library,
                    ..Default::default()
                };
                client.find_duplicates(by(key, request)).await.map(drop)
            }
            "CompareImages" => {
                let image = v1::ComparedImage {
                    source: Some(v1::compared_image::Source::ContSign(sign)),
                };
                let request = v1::CompareImagesRequest {
                    library,
                    first: Some(image.clone()),
                    second: Some(image),
                    ..Default::default()
                };
                client.compare_images(by(key, request)).await.map(drop)
            }
            "BulkSearchImages" => {
                use v1::bulk_search_images_request::Payload;
                let options = v1::BulkSearchImagesOptions {
                    library,
                    ..Default::default()
                };
                let options = v1::BulkSearchImagesRequest {
                    payload: Some(Payload::Options(options)),
                };
                let requests = by(key, futures_util::stream::iter([options]));
                client.bulk_search_images(requests).await.map(drop)
            }
            other => panic!("{other} is new: add a call of it here"),
        }
    }

    async fn assert_theirs_is_untouched(&self) {
        let request = by("them", v1::ListImagesRequest::default());
        let listed = self.gateway.client().await.list_images(request).await;
        let images = listed.unwrap().into_inner().images;
        let briefs: Vec<_> = images.iter().map(|image| image.brief.as_str()).collect();
        assert_eq!(briefs, ["secret"]);
    }
}

/// The digest of a key in hex, as the configuration has it.
fn hash_of(key: &str) -> String {
    let digest = Sha256::digest(key);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A request with a tenant's key, which is its name.
fn by<T>(tenant: &'static str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let key = tenant.parse().unwrap();
    request.metadata_mut().insert("x-api-key", key);
    request
}

/// Every method of the contract.
fn methods() -> Vec<String> {
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    let services = set.file.into_iter().flat_map(|file| file.service);
    let methods = services.flat_map(|service| service.method);
    methods.map(|method| method.name().to_owned()).collect()
}

/// Everything that a rejection contains, without the name in the request.
fn content(status: &Status, name: &str) -> (tonic::Code, String, Vec<String>) {
    let text = format!("{} {:?}", status.message(), status.get_error_details());
    let headers = status.metadata().keys().map(|key| format!("{key:?}"));
    (status.code(), text.replace(name, "NAME"), headers.collect())
}

#[tokio::test]
async fn a_foreign_library_looks_to_every_grpc_method_as_if_it_did_not_exist() {
    let two = Two::start().await;
    assert!(methods().len() >= 8);

    // These have no library in their request.
    let without = ["ListLibraries", "GetState"];
    for method in methods()
        .iter()
        .filter(|method| !without.contains(&&***method))
    {
        let foreign = two.call(method, "theirs", &two.secret).await.unwrap_err();
        let absent = two.call(method, "absent", &two.secret).await.unwrap_err();

        let info = foreign.get_details_error_info().unwrap();
        assert_eq!(info.reason, "LIBRARY_NOT_FOUND", "{method}");
        assert_eq!(
            content(&foreign, "theirs"),
            content(&absent, "absent"),
            "{method}"
        );
    }
    two.assert_theirs_is_untouched().await;
}

#[tokio::test]
async fn a_list_of_libraries_has_ones_own_only() {
    let two = Two::start().await;
    let mut client = two.gateway.client().await;

    let request = by("me", v1::ListLibrariesRequest {});
    let listed = client.list_libraries(request).await.unwrap().into_inner();

    let names = listed.libraries.iter().map(|library| &*library.library);
    assert_eq!(names.collect::<Vec<_>>(), ["mine"]);
}

#[tokio::test]
async fn a_read_key_calls_every_grpc_method_that_changes_no_image_and_no_other() {
    let two = Two::start().await;
    let changing = ["AddImage", "AddImages", "UpdateImage", "DeleteImages"];
    let methods = methods();
    assert!(
        changing
            .iter()
            .all(|name| methods.iter().any(|method| method == name))
    );

    for method in methods {
        let key = "reader-of-them";
        let called = two.call_as(key, &method, "theirs", &two.secret).await;

        let reason = called.err().map(|status| {
            let info = status.get_details_error_info().unwrap();
            (status.code(), info.reason)
        });
        let rejected = (tonic::Code::PermissionDenied, "READ_ONLY_KEY".to_owned());
        let expected = changing.contains(&&*method).then_some(rejected);
        assert_eq!(reason, expected, "{method}");
    }
    two.assert_theirs_is_untouched().await;
    let request = by("reader-of-them", v1::ListLibrariesRequest {});
    let listed = two.gateway.client().await.list_libraries(request).await;
    assert!(listed.unwrap().into_inner().read_only);
}

#[tokio::test]
async fn a_read_only_pair_searches_over_rest_and_changes_nothing() {
    let two = Two::start().await;
    let token = token(&two.gateway, "reader-of-them").await;
    let image = base64::engine::general_purpose::STANDARD.encode(png(1));
    let image: String = form_urlencoded::byte_serialize(image.as_bytes()).collect();
    let form = format!("image={image}&brief=changed");

    for (operation, expected) in [
        ("search", None),
        ("add", Some(6)),
        ("update", Some(6)),
        ("delete", Some(6)),
    ] {
        let path = format!("rest/2.0/realtime_search/same_hq/{operation}?access_token={token}");
        let response = post(&two.gateway, &path, &form).await;
        assert_eq!(response["error_code"].as_i64(), expected, "{response}");
    }
    two.assert_theirs_is_untouched().await;
}

#[tokio::test]
async fn a_foreign_sign_is_unknown_in_ones_own_library() {
    let two = Two::start().await;
    let unknown = two.secret.replace(|c: char| c.is_ascii_digit(), "7");
    assert_ne!(unknown, two.secret);

    for method in ["GetImage", "UpdateImage"] {
        let foreign = two.call(method, "", &two.secret).await.unwrap_err();
        let absent = two.call(method, "mine", &unknown).await.unwrap_err();

        let info = foreign.get_details_error_info().unwrap();
        assert_eq!(info.reason, "IMAGE_NOT_FOUND", "{method}");
        let expected = content(&absent, &unknown);
        assert_eq!(content(&foreign, &two.secret), expected, "{method}");
    }
    let signs = [two.secret.clone(), unknown.clone()].to_vec();
    let list = v1::ContSignList { values: signs };
    let request = v1::DeleteImagesRequest {
        target: Some(v1::delete_images_request::Target::ContSigns(list)),
        ..Default::default()
    };
    let mut client = two.gateway.client().await;
    let deleted = client.delete_images(by("me", request)).await.unwrap();
    let results = deleted.into_inner().results;
    let statuses: Vec<String> = results
        .iter()
        .map(|result| format!("{:?}", result.status).replace(&result.cont_sign, "SIGN"))
        .collect();
    assert!(statuses[0].contains("IMAGE_NOT_FOUND"), "{statuses:?}");
    assert_eq!(statuses[0], statuses[1]);
    two.assert_theirs_is_untouched().await;
}

#[tokio::test]
async fn a_foreign_image_is_not_found_and_new_when_it_is_added() {
    let two = Two::start().await;
    let mut client = two.gateway.client().await;
    let search = v1::SearchImagesRequest {
        source: Some(v1::search_images_request::Source::Content(png(1))),
        ..Default::default()
    };
    let add = v1::AddImageRequest {
        source: Some(v1::add_image_request::Source::Content(png(1))),
        brief: "mine".to_owned(),
        on_duplicate: v1::OnDuplicate::Accept.into(),
        ..Default::default()
    };

    let before = client.search_images(by("me", search.clone())).await;
    let added = client.add_image(by("me", add)).await.unwrap().into_inner();
    let after = client.search_images(by("me", search)).await.unwrap();

    assert_eq!(before.unwrap().into_inner().matches, []);
    assert!(!added.existed);
    assert_eq!(after.into_inner().matches[0].brief, "mine");
    two.assert_theirs_is_untouched().await;
}

#[tokio::test]
async fn a_foreign_library_looks_to_every_rest_call_as_if_it_did_not_exist() {
    let two = Two::start().await;
    let token = token(&two.gateway, "me").await;
    let form = format!("brief=b&url=http://127.0.0.1/a&cont_sign={}", two.secret);
    let calls: Vec<_> = samegate::rest::methods()
        .into_iter()
        .filter(|path| path.starts_with("rest/"))
        .collect();
    assert!(calls.len() >= 4);

    for path in calls {
        let call_with = async |library: &str| {
            let call = format!("{path}?access_token={token}");
            let in_query = post(&two.gateway, &format!("{call}&library={library}"), &form).await;
            let in_body = post(&two.gateway, &call, &format!("{form}&library={library}")).await;
            assert_eq!(in_query, in_body, "{path}");
            in_query
        };

        let foreign = call_with("theirs").await;

        assert_eq!(foreign["error_code"], 216_017, "{path}: {foreign}");
        assert_eq!(foreign, call_with("absent").await, "{path}");
    }
    two.assert_theirs_is_untouched().await;
}

/// Returns the response to a POST, without its own `log_id`.
async fn post(gateway: &Gateway, path: &str, form: &str) -> Value {
    let address = format!("{}/{path}", gateway.rest_url());
    let call = reqwest::Client::new().post(address).body(form.to_owned());
    let response = call.send().await.unwrap().bytes().await.unwrap();
    let mut response: Value = serde_json::from_slice(&response).unwrap();
    if let Some(log_id) = response.get_mut("log_id") {
        assert!(log_id.is_u64());
        *log_id = json!("a number");
    }
    response
}

async fn token(gateway: &Gateway, api_key: &str) -> String {
    let keys = format!("grant_type=client_credentials&client_id={api_key}&client_secret=s");
    let response = post(gateway, "oauth/2.0/token", &keys).await;
    response["access_token"].as_str().unwrap().to_owned()
}

/// Code of a call without an image: 110 for a bad token, else 216101.
async fn code(gateway: &Gateway, token: &str) -> i64 {
    let path = format!("rest/2.0/realtime_search/same_hq/search?access_token={token}");
    let response = post(gateway, &path, "").await;
    response["error_code"].as_i64().unwrap()
}

fn with_keys(api_keys: &[&str]) -> String {
    let pairs = api_keys
        .iter()
        .map(|key| format!("{{ api_key = \"{key}\", secret_key = \"s\" }}"));
    let pairs: Vec<String> = pairs.collect();
    let pairs = pairs.join(", ");
    format!("[tenants.ann]\nlibraries = [\"default\"]\nrest_keys = [{pairs}]\n")
}

const BAD_TOKEN: i64 = 110;
const NO_IMAGE: i64 = 216_101;

#[tokio::test]
async fn a_token_is_valid_at_every_replica_with_its_key_and_after_a_restart() {
    let first = Gateway::with_config(&with_keys(&["a"])).await;
    let same = Gateway::with_config(&with_keys(&["b", "a"])).await;
    let other = Gateway::with_config(&with_keys(&["b"])).await;

    let token = token(&first, "a").await;

    assert_eq!(code(&first, &token).await, NO_IMAGE);
    assert_eq!(code(&same, &token).await, NO_IMAGE);
    assert_eq!(code(&other, &token).await, BAD_TOKEN);
    let again = Gateway::in_folder(first.stop().await, &with_keys(&["a"])).await;
    assert_eq!(code(&again, &token).await, NO_IMAGE);
    let without = Gateway::in_folder(again.stop().await, &with_keys(&["b"])).await;
    assert_eq!(code(&without, &token).await, BAD_TOKEN);
}

#[tokio::test]
async fn a_token_is_revoked_when_a_reload_removes_its_key() {
    let mut gateway = Gateway::with_config(&with_keys(&["a", "b"])).await;
    let (gone, kept) = (token(&gateway, "a").await, token(&gateway, "b").await);
    assert_eq!(code(&gateway, &gone).await, NO_IMAGE);

    gateway.reload(&with_keys(&["b"]));

    assert_eq!(code(&gateway, &gone).await, BAD_TOKEN);
    assert_eq!(code(&gateway, &kept).await, NO_IMAGE);
}
