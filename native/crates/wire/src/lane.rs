//! A bounded queue of calls between I/O threads and the workers that block on it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot::Receiver;

use crate::call::{Answer, Call, Fate, Request};
use crate::status::{Code, Status};

/// Which queue a call waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneKind {
    /// Calls that compute and return.
    Fast = 0,
    /// Calls that may wait for something, named in the settings.
    Slow = 1,
}

struct State {
    waiting: VecDeque<(u64, Call)>,
    next_number: u64,
    open: bool,
}

/// Calls in order of arrival, at most `max_waiting` of them.
pub(crate) struct Lane {
    state: Mutex<State>,
    arrival: Condvar,
    max_waiting: usize,
}

impl Lane {
    pub(crate) fn new(max_waiting: usize) -> Arc<Self> {
        let state = State { waiting: VecDeque::new(), next_number: 0, open: true };
        Arc::new(Self { state: Mutex::new(state), arrival: Condvar::new(), max_waiting })
    }

    /// Queues the request; the ticket waits for its answer, and withdraws the call when dropped before that.
    pub(crate) fn submit(self: &Arc<Self>, request: Request) -> Result<Ticket, Status> {
        let (call, fate, answer) = Call::new(request);
        let mut state = self.state.lock();
        if !state.open {
            return Err(Status::new(Code::Unavailable, "the server is shutting down"));
        }
        if state.waiting.len() >= self.max_waiting {
            return Err(Status::new(Code::ResourceExhausted, "too many concurrent requests, queue is full"));
        }
        let number = state.next_number;
        state.next_number += 1;
        state.waiting.push_back((number, call));
        drop(state);
        self.arrival.notify_one();
        Ok(Ticket { lane: Arc::clone(self), number, fate, answer, answered: false })
    }

    /// Blocks until a call arrives; `None` once the lane is closed.
    pub(crate) fn next(&self) -> Option<Call> {
        let mut state = self.state.lock();
        loop {
            while let Some((_, call)) = state.waiting.pop_front() {
                if call.remaining() != Some(Duration::ZERO) {
                    return Some(call);
                }
            }
            if !state.open {
                return None;
            }
            self.arrival.wait(&mut state);
        }
    }

    pub(crate) fn num_waiting(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Drops what waits and releases all workers.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.open = false;
        let dropped = std::mem::take(&mut state.waiting);
        drop(state);
        self.arrival.notify_all();
        drop(dropped);
    }

    fn withdraw(&self, number: u64) {
        let mut state = self.state.lock();
        let found = state.waiting.binary_search_by_key(&number, |(queued, _)| *queued);
        let withdrawn = found.ok().and_then(|place| state.waiting.remove(place));
        drop(state);
        drop(withdrawn);
    }
}

/// The I/O side of a queued call.
pub(crate) struct Ticket {
    lane: Arc<Lane>,
    number: u64,
    fate: Fate,
    answer: Receiver<Answer>,
    answered: bool,
}

impl Ticket {
    /// Waits for the worker's answer.
    pub(crate) async fn wait(mut self) -> Answer {
        let answer = (&mut self.answer).await;
        self.answered = true;
        answer.unwrap_or_else(|_| Err(Status::new(Code::Internal, "the call ended without an answer")))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.answered {
            self.fate.cancelled.store(true, Ordering::Relaxed);
            self.lane.withdraw(self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use bytes::Bytes;
    use http::HeaderMap;

    use super::*;
    use crate::call::{AlreadyAnswered, Protocol};
    use crate::payload::Payload;

    fn request(method: &str, deadline: Option<Instant>) -> Request {
        Request {
            protocol: Protocol::Grpc,
            method: method.into(),
            headers: HeaderMap::new(),
            peer: "unix".into(),
            payload: Payload::default(),
            deadline,
        }
    }

    #[test]
    fn calls_come_out_in_order_and_are_answered_once() {
        let lane = Lane::new(8);
        let tickets = ["/a", "/b"].map(|method| lane.submit(request(method, None)).unwrap());
        let calls = [lane.next().unwrap(), lane.next().unwrap()];
        assert_eq!(calls.each_ref().map(Call::method), ["/a", "/b"]);
        assert_eq!(calls[0].answer(Ok(Bytes::from_static(b"x"))), Ok(()));
        assert_eq!(calls[0].answer(Ok(Bytes::new())), Err(AlreadyAnswered));
        drop(calls);
        let mut tickets = tickets.into_iter();
        assert_eq!(tickets.next().unwrap().answer.try_recv().unwrap(), Ok(Bytes::from_static(b"x")));
        let dropped = tickets.next().unwrap().answer.try_recv().unwrap().unwrap_err();
        assert_eq!(dropped.code(), Code::Internal as u8);
    }

    #[test]
    fn a_full_lane_refuses() {
        let lane = Lane::new(1);
        let _first = lane.submit(request("/a", None)).unwrap();
        let refused = lane.submit(request("/b", None)).err().unwrap();
        assert_eq!(refused.code(), Code::ResourceExhausted as u8);
        assert!(refused.message().contains("too many concurrent requests"));
    }

    #[test]
    fn a_dropped_ticket_withdraws_its_call_and_marks_a_running_one() {
        let lane = Lane::new(8);
        let running = lane.submit(request("/a", None)).unwrap();
        let call = lane.next().unwrap();
        let (second, third) = (lane.submit(request("/b", None)).unwrap(), lane.submit(request("/c", None)).unwrap());
        drop(second);
        assert_eq!(lane.next().unwrap().method(), "/c");
        assert!(!call.is_cancelled());
        drop(running);
        assert!(call.is_cancelled());
        drop(third);
    }

    #[test]
    fn an_expired_call_is_not_handed_out() {
        let lane = Lane::new(8);
        let mut expired = lane.submit(request("/a", Some(Instant::now()))).unwrap();
        let _live = lane.submit(request("/b", None)).unwrap();
        assert_eq!(lane.next().unwrap().method(), "/b");
        let answer = expired.answer.try_recv().unwrap().unwrap_err();
        assert_eq!(answer.code(), Code::DeadlineExceeded as u8);
    }

    #[test]
    fn closing_releases_waiting_workers() {
        let lane = Lane::new(8);
        let worker = std::thread::spawn({
            let lane = Arc::clone(&lane);
            move || lane.next().is_none()
        });
        lane.close();
        assert!(worker.join().unwrap());
        assert_eq!(lane.submit(request("/a", None)).err().unwrap().code(), Code::Unavailable as u8);
    }
}
