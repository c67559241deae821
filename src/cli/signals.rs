//! Ctrl-C and termination: the run stops between two batches and its temporary files vanish. A
//! second signal ends the process at once; outputs are renamed into place only when complete, so
//! even that leaves none half-written.

use std::sync::atomic::{AtomicBool, Ordering};

static INSTALL: std::sync::Once = std::sync::Once::new();
static STOP: AtomicBool = AtomicBool::new(false);

/// The flag a signal sets; the first call installs the handler.
pub fn stop_flag() -> &'static AtomicBool {
    INSTALL.call_once(|| {
        // A handler that cannot be installed leaves the default behaviour: the process ends at once.
        let _ = ctrlc::set_handler(|| {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(2);
            }
        });
    });
    &STOP
}
