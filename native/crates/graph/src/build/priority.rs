//! Builds yield to searches.

/// How much nicer than usual a building thread is: beside a busy thread of usual priority it gets a tenth of a core.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lowers the calling thread's own priority for good: call it on a thread that was started for the work.
///
/// Raising it again would take a privilege, so it is never done to a thread that somebody lends. Where a thread has no
/// priority of its own (anywhere but on Linux), nothing happens.
pub fn yield_to_searches() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: plain numbers; on Linux the identifier 0 means the calling thread. Failure leaves things as they were.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    }
}
