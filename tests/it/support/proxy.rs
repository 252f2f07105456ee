//! A TCP proxy that stops at a chosen byte, so that a test can break things
//! just there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Hands everything on between clients and a server.
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// A direction.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    ToServer,
    ToClient,
}

struct State {
    target: Mutex<SocketAddr>,
    /// Bytes that may still pass each way; none pass at all when one is 0.
    left: watch::Sender<[u64; 2]>,
    /// Counts the cuts; connections of before the last one end.
    cuts: watch::Sender<u64>,
}

// === impl Proxy ===

impl Proxy {
    /// Starts one that lets everything pass.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target: Mutex::new(target),
            left: watch::Sender::new([u64::MAX; 2]),
            cuts: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Proxy {
            address,
            state,
            accepting,
        }
    }

    /// Lets this many bytes pass one way, and then none either way.
    pub fn stop_after(&self, way: Way, bytes: u64) {
        let mut left = [u64::MAX; 2];
        left[way as usize] = bytes;
        self.state.left.send_replace(left);
    }

    /// Lets everything pass.
    pub fn open(&self) {
        self.state.left.send_replace([u64::MAX; 2]);
    }

    /// Waits until the last byte that may pass has passed.
    pub async fn stopped(&self) {
        let mut left = self.state.left.subscribe();
        left.wait_for(|left| left.contains(&0)).await.unwrap();
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, target: SocketAddr) {
        *self.state.target.lock().unwrap() = target;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        let mut cuts = state.cuts.subscribe();
        tokio::spawn(async move {
            let target = *state.target.lock().unwrap();
            // The client sees the end of its connection as that of the server.
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = cuts.changed() => {}
                () = hand_on(from_client, to_server, Way::ToServer, &state) => {}
                () = hand_on(from_server, to_client, Way::ToClient, &state) => {}
            }
        });
    }
}

async fn hand_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, way: Way, state: &State) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let mut rest = &chunk[..length];
        while !rest.is_empty() {
            let may_pass = state.take(way, rest.len()).await;
            let (now, later) = rest.split_at(may_pass);
            if to.write_all(now).await.is_err() {
                return;
            }
            rest = later;
        }
    }
}

// === impl State ===

impl State {
    /// Waits until bytes may pass, and tells how many of those wanted.
    async fn take(&self, way: Way, wanted: usize) -> usize {
        let mut left = self.left.subscribe();
        loop {
            left.wait_for(|left| !left.contains(&0)).await.unwrap();
            let mut taken = 0;
            self.left.send_modify(|left| {
                if left.contains(&0) {
                    return;
                }
                let left = &mut left[way as usize];
                taken = (*left).min(wanted as u64);
                // Without a stop, it stays without.
                if *left < u64::MAX {
                    *left -= taken;
                }
            });
            if taken > 0 {
                return usize::try_from(taken).unwrap();
            }
        }
    }
}
