//! Components: `mongoqueue work`, `run`, `inspect`, `sign` and `verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration::parse;
use super::values::{self, Serving};

/// Do the jobs of queues, each in a fresh sandbox of the queue's component.
///
/// SIGTERM or Ctrl-C stops it gracefully: nothing more is claimed, running jobs may finish within
/// the grace, the rest goes back without counting an attempt. A second signal ends it at once.
#[derive(Debug, Args)]
pub(crate) struct WorkArgs {
    /// Queues to serve and the component that does each one's jobs.
    #[arg(value_name = "QUEUE=COMPONENT.wasm", value_parser = values::serving)]
    #[arg(required_unless_present = "config")]
    pub(crate) queues: Vec<Serving>,

    #[command(flatten)]
    pub(crate) grants: GrantArgs,

    /// A TOML file with queues, components, and what each is granted. Options here come first.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: Option<PathBuf>,

    /// How many jobs run at the same time. Default: twice the processor's cores.
    #[arg(long, value_name = "N")]
    #[arg(value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub(crate) concurrency: Option<usize>,

    /// End when no job is due or running any more.
    #[arg(long)]
    pub(crate) until_empty: bool,

    /// How long others wait before they take the jobs of a worker that went silent. Default: 30s.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) lease: Option<Duration>,

    /// How long running jobs may take to finish after a signal to stop. Default: 20s.
    #[arg(long, value_name = "DURATION", value_parser = parse)]
    pub(crate) grace: Option<Duration>,
}

/// What the components named on the command line are granted.
#[derive(Clone, Debug, Args)]
pub(crate) struct GrantArgs {
    /// Grant the component a queue to put on, under the name that it knows it by; repeatable.
    #[arg(long, value_name = "NAME=QUEUE", value_parser = values::grant)]
    pub(crate) queue: Vec<(String, String)>,

    /// Grant the component a queue to claim from, under the name that it knows it by; repeatable.
    #[arg(long, value_name = "NAME=QUEUE", value_parser = values::grant)]
    pub(crate) consume: Vec<(String, String)>,
}

/// Run a component that exports `wasi:cli/run`, in the same sandbox as a handler.
///
/// It claims jobs only of queues that it is granted by name; what it holds in the end is released.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The component's file.
    #[arg(value_name = "COMPONENT.wasm")]
    pub(crate) component: PathBuf,

    #[command(flatten)]
    pub(crate) grants: GrantArgs,

    /// The longest that it may run.
    #[arg(long, value_name = "DURATION", value_parser = parse, default_value = "1h")]
    pub(crate) timeout: Duration,
}

/// `mongoqueue policy …`
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Say what is wrong with a file for `work --config`, where, and what to do about it.
    ///
    /// Looks at the components, folders and secrets that it names, too. Asks no database.
    Check {
        /// The file.
        #[arg(value_name = "FILE.toml")]
        file: PathBuf,
    },
}

/// Sign a component: writes COMPONENT.wasm.sig beside it, 64 bytes of ed25519.
///
/// The key is made by `openssl genpkey -algorithm ed25519 -out KEY.pem`; others must not be able to
/// read it. OpenSSL verifies the signature, too: `openssl pkeyutl -verify -rawin`.
#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The component's file.
    #[arg(value_name = "COMPONENT.wasm")]
    pub(crate) component: PathBuf,

    /// The private key: PKCS#8 in PEM.
    #[arg(long, value_name = "KEY.pem")]
    pub(crate) key: PathBuf,
}

/// Say whether COMPONENT.wasm.sig is a signature over the component by the owner of a key.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// The component's file.
    #[arg(value_name = "COMPONENT.wasm")]
    pub(crate) component: PathBuf,

    /// The public key, made by `openssl pkey -in KEY.pem -pubout -out PUB.pem`.
    #[arg(long, value_name = "PUB.pem")]
    pub(crate) key: PathBuf,
}

/// Look into a component without running it.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// The component's file.
    #[arg(value_name = "COMPONENT.wasm")]
    pub(crate) component: PathBuf,

    /// Say what a file for `work --config` would grant it, too.
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) policy: Option<PathBuf>,

    /// As what queue's handler. Default: the only queue of the file that names this component.
    #[arg(long, value_name = "QUEUE", requires = "policy")]
    pub(crate) queue: Option<String>,
}
