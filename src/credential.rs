//! Headers → credential and route, from this call alone: who called, without anything learned and without
//! giving anything away.
