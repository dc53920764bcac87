//! What the system says of the process: `process_*`, under the names that Prometheus clients agree on.

use super::text::Page;
use std::fs;

/// Clock ticks a second and bytes a page, as on every Linux that Doorward runs on; the kernel reports in these units.
const TICKS: f64 = 100.0;
const PAGE_BYTES: u64 = 4096;

/// Writes what can be read; elsewhere than on Linux that is nothing.
pub(super) fn write(page: &mut Page) {
    if let Some(stat) = stat() {
        gauge(
            page,
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            stat.resident * PAGE_BYTES,
        );
        gauge(
            page,
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            stat.virtual_bytes,
        );
        gauge(
            page,
            "process_threads",
            "Number of OS threads in the process.",
            stat.threads,
        );
        if let Some(boot) = boot_time() {
            let started = boot as f64 + stat.started as f64 / TICKS;
            gauge(
                page,
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                started,
            );
        }
        let name = "process_cpu_seconds_total";
        page.family(
            name,
            "counter",
            "Total user and system CPU time spent in seconds.",
        );
        page.sample(name, &[], stat.cpu as f64 / TICKS);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge(
            page,
            "process_open_fds",
            "Number of open file descriptors.",
            open.count(),
        );
    }
    if let Some(most) = most_files() {
        gauge(
            page,
            "process_max_fds",
            "Maximum number of open file descriptors.",
            most,
        );
    }
}

fn gauge(page: &mut Page, name: &str, help: &str, value: impl std::fmt::Display) {
    page.family(name, "gauge", help);
    page.sample(name, &[], value);
}

struct Stat {
    /// User and system, in ticks.
    cpu: u64,
    threads: u64,
    /// Ticks after boot.
    started: u64,
    virtual_bytes: u64,
    /// In pages.
    resident: u64,
}

/// `/proc/self/stat`, see proc_pid_stat(5). The name in parentheses may hold anything, so fields are counted behind it.
fn stat() -> Option<Stat> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |n: usize| {
        fields
            .get(n - 3)
            .and_then(|field| field.parse::<u64>().ok())
    };
    Some(Stat {
        cpu: field(14)? + field(15)?,
        threads: field(20)?,
        started: field(22)?,
        virtual_bytes: field(23)?,
        resident: field(24)?,
    })
}

fn boot_time() -> Option<u64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

fn most_files() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_process_knows_its_memory_files_and_start() {
        let mut page = Page::default();
        write(&mut page);
        let text = page.finish();
        let value = |name: &str| -> f64 {
            let line = text
                .lines()
                .find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("{name}: {text}"))
                .rsplit(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));
        let now = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-5.0..3600.0).contains(&age), "{age}");
    }
}
