//! samegate: arguments → configuration → logging → run until a signal → drain.

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use samegate::app::{Addresses, App, Reloader, check_clusters, raise_descriptor_limit};
use samegate::cli::{self, Command, ConfigCommand, Output, Serve};
use samegate::config::{self, Config, ConfigErrors, LogFormat, Overrides, RestSecret};
use samegate::error::{Error, Kind, Result, chain};
use samegate::telemetry;
use samegate::watch::FileWatcher;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Exit code for an invalid configuration, as clap's for usage errors: nothing was started.
const EXIT_CONFIG: u8 = 2;

/// The files of the configuration.
struct ConfigFiles {
    serve: Serve,
    /// The secret files that the last valid configuration named.
    secrets: Vec<PathBuf>,
    watcher: FileWatcher,
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start threads: {error}")),
    };
    match cli::parse().command {
        Command::Serve(serve) => {
            let exit = runtime.block_on(run(serve));
            // Outside of the runtime, as it blocks until the last spans are exported.
            telemetry::stop();
            exit
        }
        Command::Config(ConfigCommand::Check { file, clusters }) => {
            runtime.block_on(check(&file, clusters))
        }
        Command::Config(ConfigCommand::Default) => {
            Output::standard().line(config::DEFAULT.trim_end());
            ExitCode::SUCCESS
        }
        Command::Client(command) => runtime.block_on(cli::run(command)),
    }
}

fn load(serve: &Serve) -> std::result::Result<Config, ConfigErrors> {
    let Serve {
        config,
        data,
        grpc,
        rest,
        admin,
    } = serve.clone();
    let overrides = Overrides {
        data,
        grpc,
        rest,
        admin,
    };
    config::load(config.as_deref(), &config::environment(), &overrides)
}

async fn run(serve: Serve) -> ExitCode {
    let mut files = ConfigFiles::new(serve.clone()).await;
    let config = match files.read().await {
        Ok(config) => config,
        Err(errors) => return fail_config(&errors),
    };
    if let Err(error) = telemetry::start(&config.telemetry) {
        return fail(&error.to_string());
    }
    if let Err(error) = raise_descriptor_limit() {
        tracing::warn!(%error, "cannot raise the limit of file descriptors");
    }
    match start(&config).await {
        Ok((app, hang_up, shutdown)) => {
            announce(&serve, &config, &app);
            let watching = tokio::spawn(watch_config(files, hang_up, app.reloader()));
            app.run(shutdown).await;
            watching.abort();
            ExitCode::SUCCESS
        }
        Err(error) => fail(&error.to_string()),
    }
}

/// Binds the gateway before it handles signals, so that a signal during a long start ends the
/// process at once.
async fn start(config: &Config) -> Result<(App, Signal, impl Future<Output = Duration>)> {
    // Before a handler of SIGHUP replaces what the process was started with.
    let terminal = Terminal::of_process();
    let app = App::bind(config).await?;
    let handle = |kind| {
        signal(kind)
            .map_err(|error| Error::new(Kind::Internal, format!("cannot handle signals: {error}")))
    };
    let (hang_up, mut interrupt, mut terminate) = (
        handle(SignalKind::hangup())?,
        handle(SignalKind::interrupt())?,
        handle(SignalKind::terminate())?,
    );
    let closed = terminal.closed(handle(SignalKind::hangup())?);
    let lame_duck = config.limits.lame_duck;
    let shutdown = async move {
        let lame_duck = tokio::select! {
            // Ctrl-C is typed by a person, and no load balancer has to notice.
            _ = interrupt.recv() => Duration::ZERO,
            _ = terminate.recv() => lame_duck,
            () = closed => Duration::ZERO,
        };
        // A second Ctrl-C ends the process immediately.
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(130);
        });
        lame_duck
    };
    Ok((app, hang_up, shutdown))
}

/// The terminal that a person started the gateway from, if there is one.
struct Terminal {
    is_there: bool,
}

// === impl Terminal ===

impl Terminal {
    fn of_process() -> Self {
        Terminal {
            is_there: has_terminal() && !ignores_hang_up(),
        }
    }

    /// Waits until the terminal is closed; forever without one. SIGHUP alone does not say so: it also
    /// reloads the configuration.
    async fn closed(self, mut hang_up: Signal) {
        while hang_up.recv().await.is_some() {
            if self.is_there && !has_terminal() {
                tracing::info!("terminal closed, shutting down");
                return;
            }
        }
        std::future::pending().await
    }
}

/// Returns whether the process has a controlling terminal (tty(4)).
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

/// Returns whether the process was started with SIGHUP ignored, as by nohup; only Linux tells
/// (`/proc/self/status`).
fn ignores_hang_up() -> bool {
    /// SIGHUP has number 1, the lowest bit.
    const SIGHUP: u64 = 1;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & SIGHUP != 0)
}

/// Reloads the configuration when its files change, and at SIGHUP.
async fn watch_config(mut files: ConfigFiles, mut hang_up: Signal, mut reloader: Reloader) {
    loop {
        tokio::select! {
            () = files.watcher.changed() => {}
            _ = hang_up.recv() => {}
        }
        reloader.apply(files.read().await);
    }
}

/// Says where the gateway listens: to people in a banner, to the readers of a JSON log in a line of
/// it, since they may read both outputs as one.
fn announce(serve: &Serve, config: &Config, app: &App) {
    match config.telemetry.log_format {
        LogFormat::Text => print_banner(serve, config, app),
        LogFormat::Json => {
            let Addresses { grpc, rest, admin } = app.addresses();
            let version = env!("CARGO_PKG_VERSION");
            tracing::info!(%grpc, %rest, %admin, version, "gateway started");
        }
    }
}

/// Prints where the gateway listens, what its libraries hold, and which commands to try first.
fn print_banner(serve: &Serve, config: &Config, app: &App) {
    let Addresses { grpc, rest, admin } = app.addresses();
    let (scheme, trust) = match &config.listen.tls {
        Some(_) => ("https", " --ca-file CA.pem"),
        None => ("http", ""),
    };
    let endpoint = format!("{scheme}://{}{trust}", reachable(grpc));
    let source = match &serve.config {
        Some(file) => file.display().to_string(),
        None => "the built-in configuration".to_owned(),
    };
    Output::standard().line(&format!(
        "samegate {version} is running with {source}\n\
         \x20 gRPC       {grpc}{grpc_note}\n\
         {console}\
         \x20 REST       {scheme}://{rest}{rest_note}\n\
         \x20 probes     http://{admin}/readyz{admin_note}\n\
         {libraries}\
         {keys}\
         Try it from another terminal:\n\
         \x20 samegate add IMAGE.jpg --endpoint {endpoint}\n\
         \x20 samegate search COPY.jpg --endpoint {endpoint}\
         {token_requests}",
        version = env!("CARGO_PKG_VERSION"),
        grpc_note = address_note(grpc),
        rest_note = address_note(rest),
        admin_note = address_note(admin),
        grpc = reachable(grpc),
        rest = reachable(rest),
        admin = reachable(admin),
        console = console(config, grpc, scheme),
        libraries = libraries(config, app),
        keys = generated_keys(config, io::stdout().is_terminal()),
        token_requests = token_requests(config, &format!("{scheme}://{}", reachable(rest))),
    ));
}

/// Says where the console is, if it is served.
fn console(config: &Config, grpc: SocketAddr, scheme: &str) -> String {
    if !config.console.is_served_at(grpc) {
        return String::new();
    }
    format!("\x20 console    {scheme}://{}/console/\n", reachable(grpc))
}

/// Returns an address at which a client on this machine reaches a listener.
fn reachable(listener: SocketAddr) -> SocketAddr {
    let ip = match listener.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, listener.port())
}

fn address_note(listener: SocketAddr) -> &'static str {
    if listener.ip().is_unspecified() {
        " and every other address of this machine"
    } else {
        ""
    }
}

/// Lists the libraries; the embedded ones with their folder and number of images.
fn libraries(config: &Config, app: &App) -> String {
    let mut lines = String::new();
    for (name, library) in &config.libraries {
        let contents = match library {
            config::Library::Embedded(library) => {
                let folder = std::path::absolute(&library.data_dir);
                let folder = folder.unwrap_or_else(|_| library.data_dir.clone());
                let images = app.image_count(name).unwrap_or_default();
                format!("{images} images in {}", folder.display())
            }
            config::Library::Rest(_) => "at a vendor".to_owned(),
            config::Library::OpenSearch(library) => {
                format!("in the index {} of an OpenSearch cluster", library.index)
            }
        };
        lines += &format!("\x20 library    {name}: {contents}\n");
    }
    lines
}

/// Lists the key pairs whose secret the gateway generated. The secret itself is shown on a terminal
/// only: other output ends up in log files.
fn generated_keys(config: &Config, is_terminal: bool) -> String {
    let mut lines = String::new();
    for (api_key, file) in generated_pairs(config) {
        let secret = std::fs::read_to_string(file).ok().filter(|_| is_terminal);
        let shown = secret.map_or_else(String::new, |secret| format!("{secret}, kept "));
        lines += &format!(
            "\x20 REST keys  API key {api_key}, secret key {shown}in {}\n",
            file.display()
        );
    }
    lines
}

/// Lists a command for each of these pairs that requests a token.
fn token_requests(config: &Config, rest: &str) -> String {
    let mut lines = String::new();
    for (api_key, file) in generated_pairs(config) {
        lines += &format!(
            "\n\x20 curl {rest}/oauth/2.0/token -d grant_type=client_credentials \
             -d client_id={api_key} --data-urlencode client_secret@{}",
            file.display()
        );
    }
    lines
}

fn generated_pairs(config: &Config) -> impl Iterator<Item = (&str, &Path)> {
    let pairs = config.tenants.values().flat_map(|tenant| &tenant.rest_keys);
    pairs.filter_map(|pair| match &pair.secret_key {
        RestSecret::Given(_) => None,
        RestSecret::Generated(file) => Some((pair.api_key.as_str(), file.as_path())),
    })
}

/// Checks a file and, if asked, the clusters that it names; warnings do not fail it.
async fn check(file: &Path, clusters: bool) -> ExitCode {
    let config = match config::load(Some(file), &config::environment(), &Overrides::default()) {
        Ok(config) => config,
        Err(errors) => return fail_config(&errors),
    };
    let mut output = Output::standard();
    for warning in &config.warnings {
        output.note(&format!("warning: {warning}"));
    }
    if clusters {
        let errors = check_clusters(&config).await;
        for (name, error) in &errors {
            output.note(&format!("error: libraries.{name}: {}", chain(error)));
        }
        if !errors.is_empty() {
            return ExitCode::from(EXIT_CONFIG);
        }
    }
    output.line(&format!("{}: no errors", file.display()));
    ExitCode::SUCCESS
}

fn fail_config(errors: &ConfigErrors) -> ExitCode {
    Output::standard().note(&errors.to_string());
    ExitCode::from(EXIT_CONFIG)
}

fn fail(message: &str) -> ExitCode {
    Output::standard().note(&format!("error: {message}"));
    ExitCode::FAILURE
}

// === impl ConfigFiles ===

impl ConfigFiles {
    async fn new(serve: Serve) -> Self {
        let watcher = FileWatcher::new(serve.config.iter().cloned().collect()).await;
        ConfigFiles {
            serve,
            secrets: Vec::new(),
            watcher,
        }
    }

    /// Reads the configuration. Every later change of its files is noticed by the watcher.
    async fn read(&mut self) -> std::result::Result<Config, ConfigErrors> {
        loop {
            let read = load(&self.serve);
            match &read {
                // A file that is named only now may have changed before it was watched.
                Ok(config) if config.files != self.secrets => {
                    self.secrets.clone_from(&config.files);
                    let paths = self.serve.config.iter().chain(&self.secrets);
                    self.watcher = FileWatcher::new(paths.cloned().collect()).await;
                }
                _ if self.watcher.have_changed().await => {}
                _ => return read,
            }
        }
    }
}
