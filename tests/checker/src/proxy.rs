//! A TCP proxy in front of a node. Clients and the other nodes reach the node only through it, so
//! that the network can fail between any two of them.
//!
//! - [`net`]: the rules, which all proxies of a set share;
//! - [`wire`]: the messages, as much as has to be understood of them.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bson::{Document, RawDocument};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

mod net;
mod wire;

pub(crate) use net::{Between, Caller, Catch, Command, Direction, Effect, Lifted, Net, Who};

use net::Rules;
use wire::Message;

/// The one address that everything here listens on.
const HOST: &str = "127.0.0.1";

/// A proxy, until it is dropped.
pub(crate) struct Proxy {
    port: u16,
    to: Arc<AtomicU16>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens for connections to the node with this number.
    pub(crate) async fn open(net: &Net, node: usize) -> io::Result<Self> {
        let listener = TcpListener::bind((HOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let to = Arc::new(AtomicU16::new(0));
        let accepting = tokio::spawn(accept(listener, net.clone(), node, to.clone()));
        Ok(Self { port, to, accepting })
    }

    /// Where the node is reached.
    pub(crate) fn address(&self) -> String {
        format!("{HOST}:{}", self.port)
    }

    /// The node's own port.
    pub(crate) fn lead_to(&self, port: u16) {
        self.to.store(port, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, net: Net, node: usize, to: Arc<AtomicU16>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A connection that can't be accepted is one that the client has lost.
                let Ok((client, _)) = accepted else { continue };
                let (net, to) = (net.clone(), to.load(Ordering::Relaxed));
                connections.spawn(async move {
                    // However it ends, it is a broken connection for both sides.
                    let _ = connection(client, &net, node, to).await;
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What both directions of a connection know of it.
struct Line {
    net: Net,
    node: usize,
    caller: Caller,
    born: u64,
    /// Requests whose answers are waited for; `None` loses the answer.
    instead: Mutex<HashMap<i32, Option<Document>>>,
}

async fn connection(client: TcpStream, net: &Net, node: usize, port: u16) -> io::Result<()> {
    let born = net.moment();
    client.set_nodelay(true)?;
    let (mut from_client, to_client) = client.into_split();
    let Some(first) = Message::read(&mut from_client).await? else { return Ok(()) };
    let caller = first.body().map_or(Caller::Stranger, caller);
    let line = Line { net: net.clone(), node, caller, born, instead: Mutex::default() };
    // Nobody hears that the node is down while the network is.
    line.pass(&mut net.watch(), Direction::ToServer).await?;
    let server = TcpStream::connect((HOST, port)).await?;
    server.set_nodelay(true)?;
    let (from_server, to_server) = server.into_split();
    // The first to end takes the other with it: both sides see the connection closed.
    tokio::select! {
        ended = line.requests(first, from_client, to_server) => ended,
        ended = line.answers(from_server, to_client) => ended,
    }
}

/// Nodes name themselves to whoever asks, if they are started for tests.
fn caller(hello: &RawDocument) -> Caller {
    let client = hello.get_document("client");
    let application = client.and_then(|client| client.get_document("application"));
    if let Ok(name) = application.and_then(|application| application.get_str("name")) {
        return Caller::App(name.to_owned());
    }
    let port = hello.get_str("hostInfo").ok().and_then(|host| host.rsplit(':').next());
    port.and_then(|port| port.parse().ok()).map_or(Caller::Stranger, Caller::Node)
}

impl Line {
    async fn requests(
        &self,
        first: Message,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> io::Result<()> {
        let mut rules = self.net.watch();
        let mut next = Some(first);
        while let Some(message) = next {
            if let Some(caught) = self.caught(&message) {
                // Whoever is told lets it go by saying so, or by dropping the word.
                let _ = caught.await;
            }
            self.send(&message, &mut rules, (Direction::ToServer, &mut to)).await?;
            next = self.read(&mut from, &mut rules).await?;
        }
        Ok(())
    }

    async fn answers(&self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> io::Result<()> {
        let mut rules = self.net.watch();
        while let Some(message) = self.read(&mut from, &mut rules).await? {
            let message = match self.instead().remove(&message.answers()) {
                None => message,
                Some(None) => return Ok(()),
                Some(Some(body)) => Message::answer(message.answers(), &body).unwrap_or(message),
            };
            self.send(&message, &mut rules, (Direction::FromServer, &mut to)).await?;
        }
        Ok(())
    }

    /// What to wait for before the request goes on.
    fn caught(&self, message: &Message) -> Option<oneshot::Receiver<()>> {
        let catch = self.net.caught(&self.caller, self.node, message.body()?)?;
        match catch {
            Catch::DropAnswer => self.instead().insert(message.request(), None),
            Catch::Fail(code) => {
                self.instead().insert(message.request(), Some(wire::failure(code, message)))
            }
            Catch::Tell(teller) => {
                let (go, gone) = oneshot::channel();
                return teller.send(go).is_ok().then_some(gone);
            }
        };
        None
    }

    async fn read(
        &self,
        from: &mut OwnedReadHalf,
        rules: &mut watch::Receiver<Rules>,
    ) -> io::Result<Option<Message>> {
        tokio::select! {
            message = Message::read(from) => message,
            cut = self.severed(rules) => Err(cut),
        }
    }

    async fn send(
        &self,
        message: &Message,
        rules: &mut watch::Receiver<Rules>,
        (direction, to): (Direction, &mut OwnedWriteHalf),
    ) -> io::Result<()> {
        let trickle = self.pass(rules, direction).await?;
        let Some((size, pause)) = trickle else { return to.write_all(message.bytes()).await };
        for piece in message.bytes().chunks(size.max(1)) {
            to.write_all(piece).await?;
            self.wait(pause, rules).await?;
        }
        Ok(())
    }

    /// Waits until a message may pass; answers in what pieces it does.
    async fn pass(
        &self,
        rules: &mut watch::Receiver<Rules>,
        direction: Direction,
    ) -> io::Result<Option<(usize, Duration)>> {
        let (mut met, mut waited) = (false, false);
        loop {
            let fate = {
                let now = rules.borrow_and_update();
                if now.has_severed(&self.caller, self.node, self.born) {
                    return Err(io::ErrorKind::ConnectionReset.into());
                }
                now.fate(&self.caller, self.node, direction, !met)
            };
            met = true;
            if fate.held {
                // The sender lives as long as the net does, of which this has a share.
                let _ = rules.changed().await;
                continue;
            }
            if fate.delay.is_zero() || waited {
                return Ok(fate.trickle);
            }
            self.wait(fate.delay, rules).await?;
            waited = true;
        }
    }

    async fn wait(&self, time: Duration, rules: &mut watch::Receiver<Rules>) -> io::Result<()> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            cut = self.severed(rules) => Err(cut),
        }
    }

    async fn severed(&self, rules: &mut watch::Receiver<Rules>) -> io::Error {
        let cut = |rules: &Rules| rules.has_severed(&self.caller, self.node, self.born);
        let _ = rules.wait_for(cut).await;
        io::ErrorKind::ConnectionReset.into()
    }

    fn instead(&self) -> std::sync::MutexGuard<'_, HashMap<i32, Option<Document>>> {
        self.instead.lock().unwrap_or_else(|e| e.into_inner())
    }
}
