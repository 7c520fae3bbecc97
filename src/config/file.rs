//! The configuration file: TOML whose keys are the long names of the flags.

use std::path::Path;

use clap::CommandFactory;
use toml::de::DeTable;

use crate::cli::{Given, Typed};
use crate::config::ConfigError;

/// Reads a file. Each value has the form that its flag has; a key that is no flag's name is an error.
pub(super) fn read(path: &Path) -> Result<Given, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        option: "config",
        path: path.into(),
        error,
    })?;
    parse(&text, path)
}

fn parse(text: &str, path: &Path) -> Result<Given, ConfigError> {
    let wrong = |error: toml::de::Error| ConfigError::Toml {
        path: path.into(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        reason: error.message().replace('\n', " "),
    };
    let table = DeTable::parse(text).map_err(wrong)?;
    let allowed = keys();
    for key in table.get_ref().keys() {
        if !allowed.iter().any(|known| known == key.get_ref()) {
            let line = line_of(text, key.span().start);
            return Err(ConfigError::UnknownKey {
                path: path.into(),
                line,
                key: key.get_ref().to_string(),
                allowed,
            });
        }
    }
    // Three structs read the one table, each its own keys: a flattened struct would lose the lines of its errors.
    Ok(Given {
        live: toml::from_str(text).map_err(wrong)?,
        options: toml::from_str(text).map_err(wrong)?,
        output: toml::from_str(text).map_err(wrong)?,
    })
}

/// The names of all flags of capture, the subcommand that has every one of them.
pub(super) fn keys() -> Vec<String> {
    let command = Typed::command();
    let capture = command.find_subcommand("capture");
    let names = capture.into_iter().flat_map(clap::Command::get_arguments).filter_map(|flag| flag.get_long());
    names.filter(|name| !["config", "help", "version"].contains(name)).map(str::to_owned).collect()
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(text: &str) -> String {
        parse(text, Path::new("eaves.toml")).unwrap_err().to_string()
    }

    #[test]
    fn errors_name_the_line_and_what_is_right() {
        assert_eq!(
            fails("workers = 2\n\ncalls-uot = \"x\"\n"),
            "eaves.toml:3: there is no key 'calls-uot'; allowed are filter, redact, workers, memory, \
             sensor, fingerprint-key, keylog, private-key, tls-hold, call-max, interface, snaplen, ring, no-promiscuous, out, calls-out, connections-out, \
             inventory-out, findings-out, sensor-out, no-analysis, brokers, kafka-config, kafka-timeout"
        );
        assert!(
            fails("[capture]\nring = 1\n")
                .starts_with("eaves.toml:1: there is no key 'capture'; allowed are")
        );
        assert!(fails("config = \"other.toml\"\n").starts_with("eaves.toml:1: there is no key 'config'"));
        assert_eq!(
            fails("workers = 1\nring = \"64M\"\n"),
            "eaves.toml:2: a size is a whole number of bytes, or one with kB, MB, GB, TB, KiB, MiB, GiB or TiB"
        );
        assert_eq!(
            fails("redact = \"all\"\n"),
            "eaves.toml:1: unknown variant `all`, expected one of `none`, `standard`, `strict`"
        );
        assert_eq!(
            fails("\n\nworkers = \"many\"\n"),
            "eaves.toml:3: invalid type: string \"many\", expected usize"
        );
        assert!(fails("snaplen = 1.5\n").contains("expected a size such as 65536 or \"64MiB\""));
        assert!(fails("workers = 1\nworkers = 2\n").starts_with("eaves.toml:2: duplicate key"));
        assert!(fails("filter = 'tcp\n").starts_with("eaves.toml:1: "));
    }

    #[test]
    fn an_empty_file_says_nothing() {
        assert_eq!(parse("# nothing\n", Path::new("x")).unwrap(), Given::default());
    }
}
