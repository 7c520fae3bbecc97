//! Core dumps, in which secrets would stand.

use std::io;

use super::say;

/// From here on a crash leaves no memory behind.
#[expect(unsafe_code, reason = "prctl is a system call")]
pub(super) fn leave_none() {
    // SAFETY: PR_SET_DUMPABLE takes numbers and no pointer (prctl(2)).
    let result = unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
    if result != 0 {
        say(&format!("core dumps can't be switched off: {}", io::Error::last_os_error()));
    }
}
