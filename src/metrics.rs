//! Counters: plain integers that one thread owns, summed by whoever reads them.
//!
//! Every stage declares its own struct with [`counters!`]; the field's name is the metric's label and its doc
//! line says what was counted. Nothing is shared between threads, so counting costs an addition.

/// Declares a struct of counters with `add` (sum two of them) and `each` (name and value, in order).
#[macro_export]
macro_rules! counters {
    ($(#[$outer:meta])* pub struct $name:ident { $($(#[$inner:meta])* $field:ident),* $(,)? }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$inner])* pub $field: u64),* }

        impl $name {
            /// Adds the counts of another thread.
            pub fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// Visits each counter by name, in the order of declaration.
            pub fn each(&self, mut visit: impl FnMut(&'static str, u64)) {
                $(visit(stringify!($field), self.$field);)*
            }
        }
    };
}
