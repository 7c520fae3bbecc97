//! The rules, each a function from one file to its faults.

use crate::source::{Source, words};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// The pipeline: a module uses those in rows above its own, and those of its row.
const ORDER: &[&[&str]] = &[
    &["time", "limits", "metrics"],
    &["capture"],
    &["wire"],
    &["flow"],
    &["tls"],
    &["call"], // what every version of HTTP fills
    &["http", "quic"],
    &["exchange"],
    &["connection"],
    &["sensitive"],
    &["content"],
    &["credential"],
    &["record", "analysis", "inventory", "detect"], // a finding is text, and the text of a call carries the labels
    &["publish"],
    &["config", "cli"], // flags and file are read into one set of structs, with the units of config
    &["worker"],
    &["merge"],
    &["sensor"],
    &["main", "lib"],
];

/// Stages that see bytes, and time as a number.
const CORE: &[&str] = &[
    "wire",
    "flow",
    "tls",
    "call",
    "http",
    "quic",
    "exchange",
    "connection",
    "sensitive",
    "content",
    "credential",
];

/// What the core may not name.
const IMPURE: &[&str] = &[
    "std::thread",
    "std::fs",
    "std::io",
    "std::process",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "Instant",
    "SystemTime",
];

/// Files that may say `unsafe`, with a proof at each place.
const UNSAFE: &[&str] = &["src/capture/live/kernel.rs", "src/sensor/dumps.rs"];

const EMPTY_NAMES: &[&str] =
    &["utils", "util", "common", "helpers", "helper", "types", "manager", "engine", "misc"];

const MACHINE_PATHS: &[&str] = &["/work/", "/root/", "/home/", "/tmp/", "/Users/"];

pub(crate) fn long_functions(source: &Source) -> Vec<String> {
    let functions = source.functions().into_iter().filter(|function| function.lines > FUNCTION_LINES_MAX);
    functions
        .map(|f| {
            format!("line {}: {} has {} lines, {FUNCTION_LINES_MAX} are allowed", f.line, f.name, f.lines)
        })
        .collect()
}

pub(crate) fn long_file(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines > FILE_LINES_MAX).then(|| format!("{lines} lines, {FILE_LINES_MAX} are allowed"))
}

pub(crate) fn head(source: &Source) -> Vec<String> {
    let said = source.text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 10);
    if said { Vec::new() } else { vec!["does not begin with a //! line that says what it is".to_owned()] }
}

pub(crate) fn unfinished(source: &Source) -> Vec<String> {
    let comments = ["TODO", "FIXME", "XXX", "HACK"].iter().flat_map(|mark| {
        words(&source.text, mark)
            .map(move |at| format!("line {}: {mark}", source.text[..at].lines().count().max(1)))
    });
    let macros = ["todo", "unimplemented"].iter().flat_map(|name| {
        source
            .words(name)
            .filter(|at| source.code[at + name.len()..].starts_with('!'))
            .map(move |at| format!("line {}: {name}!", source.line_of(at)))
    });
    comments.chain(macros).collect()
}

/// The module of the pipeline that a file of src/ belongs to.
fn module(path: &str) -> &str {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    inner.split(['/', '.']).next().unwrap_or(inner)
}

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|row| row.contains(&module))
}

pub(crate) fn one_way(path: &str, source: &Source) -> Vec<String> {
    let own = module(path);
    let Some(place) = rank(own) else {
        return vec![format!("module {own} has no place in the order of tests/tidy/rules.rs")];
    };
    let mut faults = Vec::new();
    for at in source.words("crate") {
        for used in first_names(&source.code[at + "crate".len()..]) {
            match rank(&used) {
                Some(other) if other > place => {
                    faults.push(format!(
                        "line {}: {own} uses {used}, which comes after it",
                        source.line_of(at)
                    ));
                }
                _ => {}
            }
        }
    }
    faults
}

/// The first names of what follows `crate`: of `::a::b` it is `a`, of `::{a::{x, y}, b}` they are `a` and `b`.
fn first_names(rest: &str) -> Vec<String> {
    let Some(rest) = rest.strip_prefix("::") else { return Vec::new() };
    let name =
        |text: &str| text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut names, mut depth) = (vec![name(group)], 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

pub(crate) fn empty_name(path: &str) -> Option<String> {
    let empty = path.split(['/', '.']).find(|part| EMPTY_NAMES.contains(part))?;
    Some(format!("'{empty}' says nothing of what is in it"))
}

pub(crate) fn pure_core(path: &str, source: &Source) -> Vec<String> {
    if !CORE.contains(&module(path)) || path.contains("/tests") {
        return Vec::new();
    }
    let code = source.code_without_tests();
    let plain = IMPURE.iter().flat_map(|name| words(code, name).map(|at| (at, (*name).to_owned())));
    let grouped = words(code, "std").flat_map(|at| {
        let names = first_names(&code[at + 3..]).into_iter();
        names.map(|n| format!("std::{n}")).filter(|n| IMPURE.contains(&n.as_str())).map(move |n| (at, n))
    });
    let mut faults: Vec<_> = plain
        .chain(grouped)
        .map(|(at, name)| format!("line {}: the core names {name}", source.line_of(at)))
        .collect();
    faults.dedup();
    faults.sort();
    faults.dedup();
    faults
}

/// `#[allow]` and `#[expect]` say why.
pub(crate) fn reasonless(source: &Source) -> Vec<String> {
    let attributes = ["[allow(", "[expect("].iter().flat_map(|name| source.code.match_indices(name));
    attributes
        .filter(|(at, name)| !source.code[*at..].split(']').next().unwrap_or(name).contains("reason"))
        .map(|(at, name)| {
            format!("line {}: {} without a reason", source.line_of(at), &name[1..name.len() - 1])
        })
        .collect()
}

/// `unsafe` stands in few files, and above each the proof.
pub(crate) fn unproven(path: &str, source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for at in source.words("unsafe") {
        let line = source.line_of(at);
        if !UNSAFE.contains(&path) {
            faults.push(format!("line {line}: unsafe, in a file that has none"));
        }
        let before = source.text.lines().take(line).skip(line.saturating_sub(8));
        if !before.into_iter().any(|text| text.contains("SAFETY:")) {
            faults.push(format!("line {line}: unsafe without a SAFETY: comment above it"));
        }
    }
    faults
}

pub(crate) fn machine_paths(source: &Source) -> Vec<String> {
    let lines = source.text.lines().enumerate();
    lines
        .filter_map(|(n, line)| {
            let found = MACHINE_PATHS.iter().find(|path| line.contains(*path))?;
            Some(format!("line {}: {found} is a place on somebody's machine", n + 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(text)
    }

    #[test]
    fn lengths_are_held() {
        let body = |lines: usize| format!("//! A file.\nfn f() {{\n{}}}\n", "    f();\n".repeat(lines - 2));
        assert!(long_functions(&source(&body(70))).is_empty());
        assert_eq!(long_functions(&source(&body(71))).len(), 1);
        assert!(long_file(&source(&"a\n".repeat(600))).is_none());
        assert!(long_file(&source(&"a\n".repeat(601))).is_some());
    }

    #[test]
    fn heads_are_asked_for() {
        assert!(head(&source("//! What it is.\n")).is_empty());
        for text in ["use std::mem;\n", "//!\n", "// What it is.\n", ""] {
            assert_eq!(head(&source(text)).len(), 1, "{text}");
        }
    }

    #[test]
    fn what_is_left_to_do_is_found() {
        for text in
            ["// TODO: later", "/* FIXME */", "fn f() { todo!() }", "unimplemented!(\"x\")", "let x; // XXX"]
        {
            assert_eq!(unfinished(&source(text)).len(), 1, "{text}");
        }
        assert!(unfinished(&source("let todo = 1; // METODOS\nlet s = \"todo!\";")).is_empty());
    }

    #[test]
    fn the_order_of_modules_is_held() {
        for (path, text, faults) in [
            ("src/wire/ip.rs", "use crate::flow::Table;", 1),
            ("src/wire/ip.rs", "use crate::{time::Timestamp, http::{h1, h2}, call};", 2),
            ("src/flow.rs", "fn f() { crate::publish::send() }", 1),
            ("src/flow.rs", "use crate::wire::Segment; use crate::limits;", 0),
            ("src/flow.rs", "// see crate::publish", 0),
            ("src/record/text.rs", "use crate::analysis::Labels;", 0),
            ("src/detect/leak.rs", "use crate::record::text;", 0),
            ("src/novelty.rs", "", 1),
            ("src/lib.rs", "pub use crate::publish::Kind;", 0),
        ] {
            assert_eq!(one_way(path, &source(text)).len(), faults, "{path} {text}");
        }
    }

    #[test]
    fn names_that_say_nothing_are_refused() {
        assert!(empty_name("src/utils.rs").is_some());
        assert!(empty_name("src/flow/helpers/mod.rs").is_some());
        assert!(empty_name("src/flow/stream.rs").is_none());
    }

    #[test]
    fn the_core_is_pure() {
        for (path, text, faults) in [
            ("src/flow.rs", "use std::time::Instant;", 1),
            ("src/flow.rs", "use std::{mem, io::Read};", 1),
            ("src/http/h1.rs", "let t = std::thread::current();", 1),
            ("src/wire.rs", "use std::net::{IpAddr, SocketAddr};", 0),
            ("src/wire.rs", "use std::net::UdpSocket;", 1),
            ("src/publish.rs", "use std::fs::File;", 0),
            ("src/wire.rs", "//! No Instant here.\n#[cfg(test)]\nmod tests { use std::fs; }", 0),
        ] {
            assert_eq!(pure_core(path, &source(text)).len(), faults, "{path} {text}");
        }
    }

    #[test]
    fn exceptions_are_argued() {
        assert_eq!(reasonless(&source("#[allow(dead_code)]\nfn f() {}")).len(), 1);
        assert_eq!(reasonless(&source("#![expect(unused)]")).len(), 1);
        assert!(reasonless(&source("#[allow(dead_code, reason = \"half of it is used\")]")).is_empty());
        let proven = "// SAFETY: the pointer is ours.\nunsafe { f() }";
        assert!(unproven("src/capture/live/kernel.rs", &source(proven)).is_empty());
        assert_eq!(unproven("src/flow.rs", &source(proven)).len(), 1);
        assert_eq!(unproven("src/capture/live/kernel.rs", &source("unsafe { f() }")).len(), 1);
        assert!(unproven("src/flow.rs", &source("// unsafe\n#![deny(unsafe_code)]")).is_empty());
    }

    #[test]
    fn places_on_machines_are_found() {
        for text in ["cd /work/main", "//! see /root/x", "path = \"/home/me/x\"", "/tmp/out.json"] {
            assert_eq!(machine_paths(&source(text)).len(), 1, "{text}");
        }
        assert!(machine_paths(&source("/var/lib/eaves, framework/, ~/x")).is_empty());
    }
}
