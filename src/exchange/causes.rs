//! Why a call is partial, by how its messages and its connection ended.

use crate::call::Causes;
use crate::flow::EndReason;
use crate::http::Cut;

/// The cause that the end of a connection gives to what it ends.
#[must_use]
pub const fn cause_of_end(reason: EndReason) -> Causes {
    match reason {
        EndReason::Fin => Causes::CONNECTION_CLOSED,
        EndReason::Reset | EndReason::Replaced => Causes::CONNECTION_RESET,
        EndReason::Expired => Causes::EXPIRED,
        EndReason::Evicted => Causes::EVICTED,
        EndReason::InputEnded => Causes::STILL_OPEN,
    }
}

/// The cause that a cut of the request (or of the response) gives.
pub(super) const fn cause_of(cut: Cut, of_request: bool) -> Causes {
    match cut {
        Cut::Lost if of_request => Causes::GAP_IN_REQUEST,
        Cut::Lost => Causes::GAP_IN_RESPONSE,
        Cut::SnapLength => Causes::TRUNCATED_CAPTURE,
        Cut::Closed => Causes::CONNECTION_CLOSED,
        Cut::Reset => Causes::CONNECTION_RESET,
        Cut::Expired => Causes::EXPIRED,
        Cut::Evicted => Causes::EVICTED,
        Cut::InputEnded => Causes::STILL_OPEN,
        Cut::Malformed => Causes::MALFORMED,
    }
}
