//! Which record goes to which file, and that no two of them go to one place.

use std::path::{Path, PathBuf};

use crate::cli::OutputOptions;
use crate::config::{ConfigError, Output};

/// Where each kind of record is written; none of them: a summary for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// A directory that must be there before files are opened (`--out`).
    pub directory: Option<PathBuf>,
    /// `call` records.
    pub calls: Option<Output>,
    /// `connection` records.
    pub connections: Option<Output>,
    /// `endpoint` records.
    pub inventory: Option<Output>,
    /// `finding` records.
    pub findings: Option<Output>,
    /// `sensor` records.
    pub sensor: Option<Output>,
}

impl Outputs {
    /// Those that there are, each with the name of its option.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Output)> {
        let all = [
            ("calls-out", &self.calls),
            ("connections-out", &self.connections),
            ("inventory-out", &self.inventory),
            ("findings-out", &self.findings),
            ("sensor-out", &self.sensor),
        ];
        all.into_iter().filter_map(|(option, output)| output.as_ref().map(|output| (option, output)))
    }

    /// Nothing is written anywhere.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.each().next().is_none()
    }
}

/// `--out` first, then the options that redirect one kind.
pub(super) fn resolve(options: &OutputOptions, analysis: bool) -> Result<Outputs, ConfigError> {
    if let Some(path) = options.out.as_ref().filter(|path| path.exists() && !path.is_dir()) {
        return Err(ConfigError::NotADirectory { path: path.clone() });
    }
    let reason = "without analysis there is neither an inventory nor a finding";
    for (other, given) in [("inventory-out", &options.inventory_out), ("findings-out", &options.findings_out)]
    {
        if !analysis && given.is_some() {
            return Err(ConfigError::Conflict { one: "no-analysis", other, reason });
        }
    }
    let place = |given: &Option<Output>, name: &str| {
        given.clone().or_else(|| Some(Output::File(options.out.as_ref()?.join(name))))
    };
    let outputs = Outputs {
        directory: options.out.clone(),
        calls: place(&options.calls_out, "calls.ndjson"),
        connections: place(&options.connections_out, "connections.ndjson"),
        inventory: place(&options.inventory_out, "inventory.ndjson").filter(|_| analysis),
        findings: place(&options.findings_out, "findings.ndjson").filter(|_| analysis),
        sensor: place(&options.sensor_out, "sensor.ndjson"),
    };
    apart(&outputs)?;
    Ok(outputs)
}

/// No input twice, and no output into an input.
pub(super) fn check_inputs(inputs: &[PathBuf], outputs: &Outputs) -> Result<(), ConfigError> {
    let places: Vec<_> = inputs.iter().map(|path| real_path(path)).collect();
    for (index, (path, place)) in inputs.iter().zip(&places).enumerate() {
        if places.iter().take(index).any(|earlier| earlier == place) {
            return Err(ConfigError::SameInput { path: path.clone() });
        }
    }
    for (option, output) in outputs.each() {
        let Output::File(path) = output else { continue };
        if !is_device(path) && places.contains(&real_path(path)) {
            return Err(ConfigError::OutputIsInput { option, path: path.clone() });
        }
    }
    Ok(())
}

fn apart(outputs: &Outputs) -> Result<(), ConfigError> {
    let mut taken: Vec<(&'static str, Option<PathBuf>)> = Vec::new();
    for (option, output) in outputs.each() {
        let place = match output {
            Output::Stdout => None,
            Output::File(path) if path.as_os_str().is_empty() => return Err(ConfigError::Empty { option }),
            Output::File(path) if is_device(path) => continue,
            Output::File(path) => Some(real_path(path)),
        };
        if let Some((one, _)) = taken.iter().find(|(_, earlier)| *earlier == place) {
            let place = place.map_or_else(|| "standard output".to_owned(), |_| output.to_string());
            return Err(ConfigError::SameOutput { one, other: option, place });
        }
        taken.push((option, place));
    }
    Ok(())
}

/// `/dev/null` takes any number of outputs.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| !meta.is_file() && !meta.is_dir())
}

/// One spelling for each file, whether it is there already or not.
fn real_path(path: &Path) -> PathBuf {
    if path.as_os_str() == "-" {
        return path.into();
    }
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.canonicalize().ok(),
        _ => std::env::current_dir().ok(),
    };
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => folder.join(name),
        _ => path.into(),
    }
}
