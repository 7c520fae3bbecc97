//! Style as a test: what no lint can hold. The lengths of functions and files, a head on every file, the order of
//! the modules, what the core may not name, what a checkout may hold.
//!
//! Each rule is a function from a text to its faults, so that the tests below can show that it catches what it
//! should. `source` tells code from comments and strings.

#[path = "tidy/rules.rs"]
mod rules;
#[path = "tidy/source.rs"]
mod source;
#[path = "tidy/tree.rs"]
mod tree;

use source::Source;
use tree::Tree;

/// All faults of a rule over the files that it is for, in one message.
fn hold(files: impl Iterator<Item = (String, Source)>, rule: impl Fn(&str, &Source) -> Vec<String>) {
    let mut seen = 0;
    let mut faults = Vec::new();
    for (path, source) in files {
        seen += 1;
        faults.extend(rule(&path, &source).into_iter().map(|fault| format!("{path}: {fault}")));
    }
    assert!(seen > 0, "no file was looked at");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn functions_and_files_are_short() {
    hold(Tree::checkout().rust(), |_, source| {
        let mut faults = rules::long_functions(source);
        faults.extend(rules::long_file(source));
        faults
    });
}

#[test]
fn every_file_says_what_it_is() {
    hold(Tree::checkout().rust(), |_, source| rules::head(source));
}

#[test]
fn nothing_is_left_to_do() {
    hold(Tree::checkout().rust(), |path, source| {
        if path.starts_with("tests/tidy") { Vec::new() } else { rules::unfinished(source) }
    });
}

#[test]
fn modules_use_only_what_stands_before_them() {
    hold(Tree::checkout().rust().filter(|(path, _)| path.starts_with("src/")), rules::one_way);
}

#[test]
fn modules_have_names_that_say_something() {
    hold(Tree::checkout().rust(), |path, _| rules::empty_name(path).into_iter().collect());
}

#[test]
fn the_core_names_no_thread_no_socket_no_file_and_no_clock() {
    hold(Tree::checkout().rust().filter(|(path, _)| path.starts_with("src/")), rules::pure_core);
}

#[test]
fn exceptions_have_reasons() {
    hold(Tree::checkout().rust(), |path, source| {
        let mut faults = rules::reasonless(source);
        faults.extend(rules::unproven(path, source));
        faults
    });
}

#[test]
fn no_path_of_somebodys_machine() {
    hold(Tree::checkout().texts().filter(|(path, _)| !path.starts_with("tests/tidy")), |_, source| {
        rules::machine_paths(source)
    });
}

#[test]
fn the_checkout_holds_what_belongs_there() {
    let faults = Tree::checkout().strangers();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
