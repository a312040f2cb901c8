//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::cluster::Topology;
use crate::faults::Fault;

/// Runs workers against servers that fail, and judges whether every promise about the jobs was
/// kept.
///
/// Needs Linux, Rust with the target wasm32-wasip2, and what the tests need for a mongod. Ends with
/// 0 when every promise was kept, 1 when one was broken, 2 when the options are wrong, 3 when the
/// run could not be made or judged.
#[derive(Clone, Debug, Parser)]
#[command(name = "cargo checker")]
pub(crate) struct Options {
    /// How long faults are made; the start and the last jobs take about another minute.
    #[arg(long, default_value_t = 1.0, value_parser = minutes)]
    pub(crate) minutes: f64,
    /// How many jobs are put in this time [default: 20 a second]
    #[arg(long)]
    pub(crate) jobs: Option<u64>,
    /// Decides the schedule of the faults and the jobs [default: a random one]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Names of faults with commas between, `all` (or `mixed`), or `none`.
    #[arg(long, default_value = "all")]
    pub(crate) faults: String,
    /// How many nodes the servers' replica set has.
    #[arg(long, value_enum, default_value_t = Topology::Three)]
    pub(crate) topology: Topology,
    /// Print the verdict as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Leave the history of the run in this new folder.
    #[arg(long, value_name = "FOLDER", conflicts_with = "judge")]
    pub(crate) keep: Option<PathBuf>,
    /// Make no run, judge the history in this folder again.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) judge: Option<PathBuf>,
    /// Take a safeguard out of the queue, which has to be noticed.
    #[arg(long = "break", value_name = "NAME", value_parser = broken)]
    pub(crate) broken: Option<String>,
    /// Print the names of the safeguards that can be taken out.
    #[arg(long)]
    pub(crate) list_breaks: bool,
    /// Print the names of the faults, and what they are.
    #[arg(long)]
    pub(crate) list_faults: bool,
    /// This process has mounts of its own.
    #[arg(long, hide = true)]
    pub(crate) with_mounts: bool,
}

/// What `--faults` says.
///
/// # Errors
/// Names one that there isn't.
pub(crate) fn faults(text: &str) -> Result<Vec<Fault>, String> {
    match text {
        "all" | "mixed" => Ok(Fault::all().collect()),
        "none" | "" => Ok(Vec::new()),
        names => names.split(',').map(|name| name.trim().parse()).collect(),
    }
}

impl Options {
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs_f64(self.minutes * 60.0)
    }

    pub(crate) fn job_count(&self) -> u64 {
        // Every process of the run, the nodes and the checker share a machine.
        const A_SECOND: f64 = 20.0;
        self.jobs.unwrap_or((self.length().as_secs_f64() * A_SECOND) as u64)
    }

    /// The command line that does the same again.
    pub(crate) fn again(&self, seed: u64) -> String {
        let mut command = format!("cargo checker --minutes {} --seed {seed}", self.minutes);
        if let Some(jobs) = self.jobs {
            command.push_str(&format!(" --jobs {jobs}"));
        }
        if self.faults != "all" {
            command.push_str(&format!(" --faults {}", self.faults));
        }
        if self.topology == Topology::Single {
            command.push_str(" --topology single");
        }
        if let Some(broken) = &self.broken {
            command.push_str(&format!(" --break {broken}"));
        }
        command
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    // A week: beyond it the history fills any disk.
    const MOST: f64 = 7.0 * 24.0 * 60.0;
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= MOST => Ok(minutes),
        Ok(_) => Err(format!("it is not above 0 and at most {MOST}")),
        Err(_) => Err("it is no number".to_owned()),
    }
}

/// The names of all safeguards that can be taken out.
#[cfg(feature = "breaks")]
pub(crate) fn breaks() -> Vec<&'static str> {
    mongoqueue::breaks::Break::ALL.map(mongoqueue::breaks::Break::name).to_vec()
}

#[cfg(not(feature = "breaks"))]
pub(crate) fn breaks() -> Vec<&'static str> {
    Vec::new()
}

fn broken(name: &str) -> Result<String, String> {
    match breaks() {
        none if none.is_empty() => {
            Err("this program was built without the feature `breaks`".to_owned())
        }
        known if known.contains(&name) => Ok(name.to_owned()),
        known => Err(format!("there are {}", known.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Options, clap::Error> {
        Options::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_command_that_repeats_a_run_reads_as_the_same_run() {
        let lines = [
            "checker --minutes 2 --jobs 500 --faults cut,delay --topology single",
            "checker --minutes 0.5",
        ];
        for line in lines {
            let options = read(line).expect("options");
            let command = options.again(7);
            let again = read(command.strip_prefix("cargo ").expect("a cargo command"));
            let again = again.expect("the same options");
            assert_eq!(again.seed, Some(7));
            assert_eq!(again.again(7), command);
            assert_eq!(again.length(), options.length());
            assert_eq!(again.job_count(), options.job_count());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["--minutes 0", "--minutes -1", "--minutes nan", "--minutes 1e9", "--break x"] {
            assert!(read(&format!("checker {line}")).is_err(), "{line}");
        }
        assert!(read("checker --keep a --judge b").is_err());
        assert!(faults("cut,none-such").is_err());
        assert_eq!(faults("cut, delay").expect("two faults").len(), 2);
        assert_eq!(faults("all").expect("all"), faults("mixed").expect("all"));
        assert!(faults("none").expect("none").is_empty());
    }
}
