//! What leaves the machine: versioned, redacted JSON.

mod schema;
pub mod text;

pub use schema::schema;
#[cfg(test)]
pub(crate) use schema::tests::checked;
