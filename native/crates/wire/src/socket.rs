//! Listening sockets, bound before the server reports that it runs.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel holds for us: a thousand clients may connect at once.
const BACKLOG: i32 = 1024;

/// Binds the first address of `host` that can be bound; port 0 takes a free one.
pub(crate) fn bind_tcp(host: &str, port: u16) -> io::Result<TcpListener> {
    let mut refused = io::Error::new(ErrorKind::AddrNotAvailable, format!("{host} has no address"));
    for address in (host, port).to_socket_addrs()? {
        match listen_tcp(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => refused = error,
        }
    }
    Err(io::Error::new(refused.kind(), format!("cannot listen on {host}:{port}: {refused}")))
}

fn listen_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A bound Unix socket whose file goes away with it.
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

/// Removes the socket's file when dropped.
pub(crate) struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // The file may be gone already, with the folder it was in.
        drop(fs::remove_file(&self.0));
    }
}

/// Binds a Unix socket that only this user can open; a file left by a dead server is replaced.
pub(crate) fn bind_unix(path: &Path) -> io::Result<UnixSocket> {
    let explain =
        |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on {}: {error}", path.display()));
    remove_stale(path).map_err(explain)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&socket2::SockAddr::unix(path).map_err(explain)?).map_err(explain)?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(explain)?;
    socket.listen(BACKLOG).map_err(explain)?;
    Ok(UnixSocket { listener: socket.into(), file })
}

fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(ErrorKind::AddrInUse, "another server listens there")),
    }
}
