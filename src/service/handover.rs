//! A new process takes the listeners over from an old one, and no connection is refused or lost in between.
//!
//! The new one (`serve --upgrade`) gets ready and waits at a Unix socket; the old one, told by SIGQUIT, sends it the listening sockets,
//! accepts for five seconds more together with it, and ends as at SIGTERM. Pingora moves the sockets. Here is what keeps that safe:
//! the socket lies where nobody else can put one, and a SIGQUIT that no new process waits for ends nothing.

use crate::rules::status::Board;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Where the listeners come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listeners {
    Open,
    /// From the process that has them.
    TakeOver,
}

/// Why there was no handover.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("serve.upgrade_sock: {path}: {why}")]
    Folder { path: PathBuf, why: String },
    #[error("serve.upgrade_sock: {0}: a socket's path has at most {LONGEST} bytes")]
    Path(PathBuf),
    #[error("nobody waits at {0}: start the new process with `serve --upgrade`")]
    Nobody(PathBuf),
    #[error("not ready to take over: {0}")]
    NotReady(String),
}

/// `sun_path` of Linux without the zero at its end.
const LONGEST: usize = 107;
/// How long either side waits for the other one to be ready.
const PATIENCE: Duration = Duration::from_secs(30);
const GIVING_UP: Duration = Duration::from_secs(5);
const STEP: Duration = Duration::from_millis(50);

/// Waits until there are rules, so that the first request that comes over finds them.
pub(super) fn wait_for_rules(board: &Board) -> Result<(), HandoverError> {
    let end = Instant::now() + PATIENCE;
    loop {
        let missing = board.read().missing();
        if missing.is_empty() {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(HandoverError::NotReady(missing.join("; ")));
        }
        std::thread::sleep(STEP);
    }
}

/// Says that the handover may begin, and while it is awaited whether it does. Pingora gives up after six seconds by ending the process,
/// which no line of the log outlives.
pub(super) fn announce(socket: &Path, take_over: impl FnOnce()) {
    tracing::info!(socket = %socket.display(), "ready to take over; send SIGQUIT to the old process");
    let (taken, news) = mpsc::channel::<()>();
    std::thread::spawn(move || {
        if news.recv_timeout(GIVING_UP) == Err(RecvTimeoutError::Timeout) {
            tracing::error!("no process hands its listeners over; giving up");
        }
    });
    take_over();
    drop(taken);
}

/// Waits until a new process waits at the socket.
pub(super) async fn wait_for_successor(socket: &Path) -> Result<(), HandoverError> {
    private_folder(socket)?;
    let end = Instant::now() + PATIENCE;
    while !somebody_listens(socket) {
        if Instant::now() >= end {
            return Err(HandoverError::Nobody(socket.to_owned()));
        }
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

/// Pingora lets everybody write to the socket, so that its folder has to be closed to others: who could connect there could slip sockets
/// in, and who could bind there would be handed ours. It is made where it is missing.
pub(super) fn private_folder(socket: &Path) -> Result<(), HandoverError> {
    if socket.as_os_str().len() > LONGEST {
        return Err(HandoverError::Path(socket.to_owned()));
    }
    let folder = socket.parent().unwrap_or(Path::new("/"));
    let unfit = |why: String| HandoverError::Folder {
        path: folder.to_owned(),
        why,
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(unfit(error.to_string()));
        }
        Ok(()) | Err(_) => {}
    }
    let (found, ourselves) = fs::symlink_metadata(folder)
        .and_then(|found| Ok((found, fs::metadata("/proc/self")?)))
        .map_err(|error| unfit(error.to_string()))?;
    if !found.is_dir() || found.uid() != ourselves.uid() || found.mode() & 0o077 != 0 {
        let why = "must be a folder of the user that Doorward runs as, and closed to all others (mode 0700)";
        return Err(unfit(why.to_owned()));
    }
    Ok(())
}

/// Looks without connecting, which would be taken for the handover. A file alone may be what a process left that was killed.
fn somebody_listens(socket: &Path) -> bool {
    match fs::read_to_string("/proc/self/net/unix") {
        Ok(table) => socket.to_str().is_some_and(|path| listens(&table, path)),
        Err(_) => socket.exists(),
    }
}

/// The table of proc_net(5): `Num RefCount Protocol Flags Type St Inode Path`.
fn listens(table: &str, path: &str) -> bool {
    const ACCEPTS: u32 = 1 << 16;
    table.lines().skip(1).any(|line| {
        let mut fields = line.split_ascii_whitespace();
        let flags = fields.nth(3);
        let flags = flags.and_then(|flags| u32::from_str_radix(flags, 16).ok());
        flags.is_some_and(|flags| flags & ACCEPTS != 0) && fields.nth(3) == Some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::status::Report;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    #[test]
    fn only_a_listener_counts_and_looking_disturbs_it_not() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        assert!(!somebody_listens(&socket));
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        assert!(somebody_listens(&socket));
        assert!(listener.accept().is_err());
        let connected = UnixStream::connect(&socket).unwrap();
        drop(listener);
        assert!(socket.exists());
        assert!(!somebody_listens(&socket));
        drop(connected);
    }

    #[test]
    fn the_folder_is_made_and_must_be_closed_to_others() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("run");
        let socket = folder.join("s");
        private_folder(&socket).unwrap();
        for (mode, fits) in [
            (0o755, false),
            (0o710, false),
            (0o701, false),
            (0o700, true),
        ] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(private_folder(&socket).is_ok(), fits, "{mode:o}");
        }
        let link = above.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        assert!(private_folder(&link.join("s")).is_err());
        assert!(private_folder(&above.path().join("no/such/s")).is_err());
        let long = folder.join("s".repeat(LONGEST));
        let error = private_folder(&long).unwrap_err();
        assert!(error.to_string().contains("at most 107 bytes"), "{error}");
    }

    #[test]
    fn rules_that_are_there_are_not_waited_for() {
        let board = Board::default();
        board.post(Report {
            rules: vec![Default::default()],
            ..Report::default()
        });
        wait_for_rules(&board).unwrap();
    }
}
