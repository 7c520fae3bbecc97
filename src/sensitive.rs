//! Value → data class, with validators: what a value is, decided from its own bytes.
