//! Lines on their way out. Who logs never waits for who reads.
//!
//! A thread writes what has come together since it last wrote: a busy proxy makes a few hundred writes a second, not one for each line.
//! Where the reader stalls, lines are kept up to a limit, then dropped and counted.

use crate::telemetry::metrics::Counter;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What waits to be written, at most.
const MOST_PENDING: usize = 8 << 20;
/// Room that stays with the writer; a busy proxy fills it again at once.
const KEPT: usize = 1 << 20;
/// How long the writer lets lines come together.
const LINGER: Duration = Duration::from_millis(2);

#[derive(Debug, Clone)]
pub(super) struct Sink(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// For the writer: there is something to write, or it is urgent.
    wake: Condvar,
    /// For who flushes: all is written.
    idle: Condvar,
    dropped: Arc<Counter>,
}

#[derive(Debug, Default)]
struct State {
    pending: Vec<u8>,
    writing: bool,
    /// Somebody waits for all to be written.
    urgent: bool,
    /// The writer sleeps until it is woken.
    asleep: bool,
}

impl Sink {
    pub(super) fn new(out: impl Write + Send + 'static, dropped: Arc<Counter>) -> Sink {
        let sink = Sink(Arc::new(Shared {
            state: Mutex::default(),
            wake: Condvar::new(),
            idle: Condvar::new(),
            dropped,
        }));
        let shared = sink.0.clone();
        let writer = std::thread::Builder::new().name("log".to_owned());
        if writer.spawn(move || shared.write(out)).is_err() {
            eprintln!("the log has no thread to be written by; it stays empty");
        }
        sink
    }

    /// Takes one line, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        if state.pending.len() + line.len() > MOST_PENDING {
            drop(state);
            self.0.dropped.increment();
            return;
        }
        state.pending.extend_from_slice(line);
        if std::mem::replace(&mut state.asleep, false) {
            self.0.wake.notify_one();
        }
    }

    /// Waits until all is written, but not longer than `most`.
    pub(super) fn flush(&self, most: Duration) {
        let mut state = self.0.lock();
        state.urgent = true;
        self.0.wake.notify_one();
        let busy = |state: &mut State| state.writing || !state.pending.is_empty();
        let waited = self.0.idle.wait_timeout_while(state, most, busy);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.urgent = false;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, mut out: impl Write) {
        let mut lines = Vec::new();
        loop {
            {
                let mut state = self.lock();
                while state.pending.is_empty() {
                    state.asleep = true;
                    state = self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                state.asleep = false;
                let lingered = self
                    .wake
                    .wait_timeout_while(state, LINGER, |state| !state.urgent);
                let (mut state, _) = lingered.unwrap_or_else(PoisonError::into_inner);
                std::mem::swap(&mut state.pending, &mut lines);
                state.writing = true;
            }
            // A log that can't be written has nobody to be told of it but the next reader of the metrics.
            if out.write_all(&lines).and_then(|()| out.flush()).is_err() {
                self.dropped.increment();
            }
            lines.clear();
            lines.shrink_to(KEPT);
            self.lock().writing = false;
            self.idle.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::mpsc::{Receiver, Sender, channel};

    /// Passes on each write once it is allowed.
    struct Gate {
        wrote: Sender<Vec<u8>>,
        allowed: Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.allowed.recv();
            let _ = self.wrote.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Sink, Sender<()>, Receiver<Vec<u8>>, Arc<Counter>) {
        let (allow, allowed) = channel();
        let (wrote, written) = channel();
        let dropped = Arc::<Counter>::default();
        let sink = Sink::new(Gate { wrote, allowed }, dropped.clone());
        (sink, allow, written, dropped)
    }

    #[test]
    fn lines_come_out_whole_and_in_order() {
        let (sink, allow, written, _) = gate();
        sink.push(b"one\n");
        sink.push(b"two\n");
        (0..9).for_each(|_| allow.send(()).unwrap());
        sink.flush(Duration::from_secs(10));
        let all: Vec<u8> = written.try_iter().flatten().collect();
        assert_eq!(all, b"one\ntwo\n");
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_but_never_time() {
        let (sink, _allow, _written, dropped) = gate();
        let line = vec![b'x'; 1 << 20];
        (0..40).for_each(|_| sink.push(&line));
        assert!(dropped.value() >= 40 - 2 * 8, "{dropped:?}");
        sink.flush(Duration::from_millis(1));
    }
}
