//! The server: sockets, I/O threads, and the way to stop.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::{self, Handle, Runtime};

use crate::authority::AuthorityRepair;
use crate::call::Call;
use crate::connection;
use crate::hub::{Hub, Phase};
use crate::lane::LaneKind;
use crate::socket::{self, SocketFile};

/// Pause after a failed accept, which is almost always a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Longest wait for work on side threads when an I/O thread ends.
const IO_THREAD_END: Duration = Duration::from_secs(1);

/// Where to listen, and the limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Host and port to listen on; port 0 takes a free one.
    pub tcp: Option<(String, u16)>,
    /// Path of a Unix socket to listen on.
    pub unix: Option<PathBuf>,
    /// Paths of the methods that wait in the slow lane.
    pub slow_methods: HashSet<String>,
    /// Threads that read and write sockets, at least one.
    pub io_threads: usize,
    /// Calls that may wait in each lane.
    pub max_waiting: usize,
    /// Largest request message.
    pub max_request_bytes: usize,
    /// Largest response message, less than 4 GiB.
    pub max_response_bytes: usize,
}

/// A running server; closed when dropped.
pub struct Server {
    hub: Arc<Hub>,
    tcp_address: Option<SocketAddr>,
    unix_path: Option<PathBuf>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Server {
    /// Binds, then serves; a client can connect once this returns.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let tcp = settings.tcp.as_ref().map(|(host, port)| socket::bind_tcp(host, *port)).transpose()?;
        let unix = settings.unix.as_deref().map(socket::bind_unix).transpose()?;
        let tcp_address = tcp.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        let hub = Arc::new(Hub::new(
            settings.slow_methods,
            settings.max_waiting,
            settings.max_request_bytes,
            settings.max_response_bytes.min(u32::MAX as usize),
        ));
        let runtimes: Vec<Runtime> =
            (0..settings.io_threads.max(1)).map(|_| io_runtime()).collect::<io::Result<_>>()?;
        let crew = Arc::new(Crew::new(Arc::clone(&hub), runtimes.iter().map(|r| r.handle().clone()).collect()));
        if let Some(listener) = tcp {
            runtimes[0].spawn(accept_tcp(Arc::clone(&crew), listener));
        }
        if let Some(socket) = unix {
            runtimes[0].spawn(accept_unix(Arc::clone(&crew), socket.listener, socket.file));
        }
        let server = Self { hub, tcp_address, unix_path: settings.unix, threads: Mutex::default() };
        for (number, runtime) in runtimes.into_iter().enumerate() {
            server.threads.lock().push(io_thread(number, runtime, Arc::clone(&server.hub))?);
        }
        Ok(server)
    }

    /// The bound TCP address, with the real port.
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.tcp_address
    }

    /// The path of the Unix socket.
    pub fn unix_path(&self) -> Option<&PathBuf> {
        self.unix_path.as_ref()
    }

    /// Blocks until a call arrives in the lane; `None` once the server is closed.
    pub fn next_call(&self, lane: LaneKind) -> Option<Call> {
        self.hub.lane(lane).next()
    }

    /// Calls that no worker has taken yet.
    pub fn num_waiting(&self, lane: LaneKind) -> usize {
        self.hub.lane(lane).num_waiting()
    }

    /// Client connections that are open.
    pub fn num_connections(&self) -> usize {
        self.hub.census.num_open()
    }

    /// Blocks until the server is unused (true), closed (false) or `until` has come (`None`).
    ///
    /// Unused means that there was a connection and all have been gone for `grace`, or that none came by `first_by`.
    pub fn wait_unused(&self, grace: Duration, first_by: Option<Instant>, until: Instant) -> Option<bool> {
        self.hub.census.wait_unused(grace, first_by, until)
    }

    /// Stops accepting, lets calls in flight finish for up to `limit`, then closes; whether all of them finished.
    pub fn drain(&self, limit: Duration) -> bool {
        self.hub.advance(Phase::Draining);
        let until = Instant::now().checked_add(limit).unwrap_or_else(|| Instant::now() + Duration::from_secs(1 << 30));
        let finished = self.hub.census.wait_empty(until);
        self.close();
        finished
    }

    /// Drops all connections and waiting calls, and releases the workers.
    pub fn close(&self) {
        self.hub.advance(Phase::Closed);
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // An I/O thread that panicked has nothing left to close.
            drop(thread.join());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// The I/O threads take connections in turn. Each has a runtime of its own: a call stays on the thread of its
/// connection, and no thread is woken to look for another's work.
struct Crew {
    hub: Arc<Hub>,
    handles: Vec<Handle>,
    turn: AtomicUsize,
}

impl Crew {
    fn new(hub: Arc<Hub>, handles: Vec<Handle>) -> Self {
        Self { hub, handles, turn: AtomicUsize::new(0) }
    }

    fn next(&self) -> &Handle {
        &self.handles[self.turn.fetch_add(1, Ordering::Relaxed) % self.handles.len()]
    }
}

fn io_runtime() -> io::Result<Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

fn io_thread(number: usize, runtime: Runtime, hub: Arc<Hub>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(format!("elanus-io-{number}")).spawn(move || {
        runtime.block_on(hub.reached(Phase::Closed));
        runtime.shutdown_timeout(IO_THREAD_END);
    })
}

async fn accept_tcp(crew: Arc<Crew>, listener: std::net::TcpListener) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = crew.hub.reached(Phase::Draining) => return,
        };
        let Ok((stream, address)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(stream) = stream.set_nodelay(true).and_then(|()| stream.into_std()) else { continue };
        let hub = Arc::clone(&crew.hub);
        crew.next().spawn(async move {
            if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                connection::serve(hub, stream, address.to_string().into(), None).await;
            }
        });
    }
}

async fn accept_unix(crew: Arc<Crew>, listener: std::os::unix::net::UnixListener, _file: SocketFile) {
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = crew.hub.reached(Phase::Draining) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(stream) = stream.into_std() else { continue };
        let hub = Arc::clone(&crew.hub);
        crew.next().spawn(async move {
            if let Ok(stream) = tokio::net::UnixStream::from_std(stream) {
                connection::serve(hub, stream, "unix".into(), Some(AuthorityRepair::default())).await;
            }
        });
    }
}
