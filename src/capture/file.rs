//! Captures on disk: pcap, pcapng, compressed or not.
