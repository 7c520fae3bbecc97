//! What is counted of key logs.
#![expect(
    unreachable_pub,
    dead_code,
    reason = "what the macro makes is public, and made for sums; this module is not, and one thread counts"
)]

use crate::counters;

counters! {
    /// Lines of key logs, those of secrets blocks of a pcapng included. Each is one of the kinds below it.
    pub struct Counters {
        /// Lines that were read.
        keylog_lines,
        /// Lines with a secret that was taken.
        keylog_secrets,
        /// Lines without a secret of use: comments, empty ones, labels of other purposes.
        keylog_lines_without_use,
        /// Lines that can't be read.
        keylog_lines_broken,
        /// Files that are not followed because there are too many: the most at any time.
        keylogs_left_out,
    }
}
