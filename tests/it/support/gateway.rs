//! A whole gateway in this process, on free ports and in its own folder.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use samegate::app::{Addresses, App, Reloader};
use samegate::config::{self, Overrides};
use samegate::proto::v1::same_image_service_client::SameImageServiceClient;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::transport::Channel;

/// A running gateway; it shuts down on request, or when dropped.
pub struct Gateway {
    /// Where it listens.
    pub addresses: Addresses,
    /// Folder that holds its library and configuration.
    pub folder: tempfile::TempDir,
    reloader: Reloader,
    stop: oneshot::Sender<Duration>,
    running: JoinHandle<()>,
}

impl Gateway {
    /// Starts with the default configuration.
    pub async fn start() -> Self {
        Self::with_config("").await
    }

    /// Starts with a configuration file; its ports are replaced by free ones.
    pub async fn with_config(toml: &str) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), toml).await
    }

    /// Starts in a folder that a gateway may have used before.
    pub async fn in_folder(folder: tempfile::TempDir, toml: &str) -> Self {
        let file = folder.path().join("samegate.toml");
        std::fs::write(&file, toml).unwrap();
        let config = config(&file, folder.path(), toml);
        let app = App::bind(&config).await.unwrap();
        let addresses = app.addresses();
        let reloader = app.reloader();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(app.run(async {
            // A dropped sender stops the gateway as well.
            stopped.await.unwrap_or_default()
        }));
        Gateway {
            addresses,
            folder,
            reloader,
            stop,
            running,
        }
    }

    /// Shuts down gracefully and returns the folder.
    pub async fn stop(self) -> tempfile::TempDir {
        let _ = self.stop.send(Duration::ZERO);
        self.running.await.unwrap();
        self.folder
    }

    /// Starts a graceful shutdown without waiting for its end.
    pub fn begin_to_stop(self) -> JoinHandle<()> {
        self.begin_to_stop_after(Duration::ZERO)
    }

    /// Starts a graceful shutdown with a lame duck period.
    pub fn begin_to_stop_after(self, lame_duck: Duration) -> JoinHandle<()> {
        let _ = self.stop.send(lame_duck);
        self.running
    }

    /// Reloads the configuration, as at SIGHUP.
    pub fn reload(&mut self, toml: &str) {
        let file = self.folder.path().join("samegate.toml");
        std::fs::write(&file, toml).unwrap();
        let read = config(&file, self.folder.path(), toml);
        self.reloader.apply(Ok(read));
    }

    /// Connects a gRPC client.
    pub async fn client(&self) -> SameImageServiceClient<Channel> {
        let endpoint = format!("http://{}", self.addresses.grpc);
        SameImageServiceClient::connect(endpoint)
            .await
            .unwrap()
            .max_decoding_message_size(64 << 20)
    }

    /// Returns the generated secret of the API key `local`.
    pub fn rest_secret(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("data/rest-secret-local")).unwrap()
    }

    /// Requests an access token with the API key `local`.
    pub async fn rest_token(&self) -> String {
        let keys = "grant_type=client_credentials&client_id=local&client_secret";
        let url = format!(
            "{}/oauth/2.0/token?{keys}={}",
            self.rest_url(),
            self.rest_secret()
        );
        let granted = reqwest::get(url).await.unwrap().bytes().await.unwrap();
        let granted: serde_json::Value = serde_json::from_slice(&granted).unwrap();
        granted["access_token"].as_str().unwrap().to_owned()
    }

    /// Returns the address of the REST API.
    pub fn rest_url(&self) -> String {
        format!("http://{}", self.addresses.rest)
    }
}

fn config(file: &Path, folder: &Path, toml: &str) -> config::Config {
    let free = Some("127.0.0.1:0".parse().unwrap());
    // A file with libraries sets their folders itself.
    let data = (!toml.contains("[libraries.")).then(|| folder.join("data"));
    let overrides = Overrides {
        data,
        grpc: free,
        rest: free,
        admin: free,
    };
    config::load(Some(file), &BTreeMap::new(), &overrides).unwrap()
}
