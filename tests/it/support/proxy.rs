//! A TCP proxy that stops at a chosen byte, so that a test can interrupt a transfer there.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Forwards bytes between clients and a server.
pub struct Proxy {
    /// The address that clients connect to.
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

/// Direction of a transfer.
#[derive(Clone, Copy, Debug)]
pub enum Direction {
    ToServer,
    ToClient,
}

struct State {
    target: Mutex<SocketAddr>,
    /// Bytes that may still pass in each direction; none pass when one is 0.
    remaining: watch::Sender<[u64; 2]>,
    /// Counts the disconnects; earlier connections end at each.
    disconnects: watch::Sender<u64>,
}

// === impl Proxy ===

impl Proxy {
    /// Starts a proxy that forwards everything.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            target: Mutex::new(target),
            remaining: watch::Sender::new([u64::MAX; 2]),
            disconnects: watch::Sender::new(0),
        });
        let accepting = tokio::spawn(accept(listener, state.clone()));
        Proxy {
            address,
            state,
            accepting,
        }
    }

    /// Forwards this many bytes in one direction, and then none in both.
    pub fn stop_after(&self, direction: Direction, bytes: u64) {
        let mut left = [u64::MAX; 2];
        left[direction as usize] = bytes;
        self.state.remaining.send_replace(left);
    }

    /// Forwards everything.
    pub fn open(&self) {
        self.state.remaining.send_replace([u64::MAX; 2]);
    }

    /// Waits until the last byte before the stop was forwarded.
    pub async fn stopped(&self) {
        let mut left = self.state.remaining.subscribe();
        left.wait_for(|left| left.contains(&0)).await.unwrap();
    }

    /// Ends every connection.
    pub fn disconnect(&self) {
        self.state.disconnects.send_modify(|count| *count += 1);
    }

    /// Forwards new connections to another server.
    pub fn set_target(&self, target: SocketAddr) {
        *self.state.target.lock().unwrap() = target;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.disconnect();
    }
}

async fn accept(listener: TcpListener, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        let mut disconnects = state.disconnects.subscribe();
        tokio::spawn(async move {
            let target = *state.target.lock().unwrap();
            // The connection of the client ends with that to the server.
            let Ok(server) = TcpStream::connect(target).await else {
                return;
            };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                _ = disconnects.changed() => {}
                () = forward(from_client, to_server, Direction::ToServer, &state) => {}
                () = forward(from_server, to_client, Direction::ToClient, &state) => {}
            }
        });
    }
}

async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    direction: Direction,
    state: &State,
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut chunk).await {
        let mut rest = &chunk[..length];
        while !rest.is_empty() {
            let may_pass = state.take(direction, rest.len()).await;
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
    /// Waits until bytes may pass, and returns how many of the requested ones.
    async fn take(&self, direction: Direction, requested: usize) -> usize {
        let mut left = self.remaining.subscribe();
        loop {
            left.wait_for(|left| !left.contains(&0)).await.unwrap();
            let mut taken = 0;
            self.remaining.send_modify(|left| {
                if left.contains(&0) {
                    return;
                }
                let left = &mut left[direction as usize];
                taken = (*left).min(requested as u64);
                // The maximum means no stop.
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
