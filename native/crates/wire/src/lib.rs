//! The network: HTTP/2 and gRPC framing around one bytes-in, bytes-out handler.
//!
//! I/O threads own the sockets and never run a handler. A finished request becomes a [`Call`] in one of two bounded
//! queues; a worker blocks in [`Server::next_call`], works, and answers the call once. Deadlines, cancellation, size
//! limits, compression, keep-alive and drain are settled on this side of the queue.

mod authority;
mod body;
mod call;
mod census;
mod connection;
mod frame;
mod grpc;
mod hub;
mod lane;
mod opening;
mod payload;
mod server;
mod socket;
mod status;
mod timeout;

pub use bytes::Bytes;
pub use call::{AlreadyAnswered, Answer, Call, Fate, Protocol};
pub use lane::LaneKind;
pub use payload::Payload;
pub use server::{Server, Settings};
pub use status::{Code, Status};
