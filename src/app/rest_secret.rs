//! Secrets of REST key pairs that the gateway generates itself.
//!
//! A default secret that is the same everywhere is no secret: whoever reads the documentation, or
//! a web page, could compute access tokens. So the secret of such a pair is random. It is generated
//! at the first start, and read again at later ones, from a file that only its owner can read.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::crypto::aws_lc_rs;
use secrecy::{ExposeSecret, SecretString};

use crate::config::{RestKey, RestSecret};
use crate::error::{Error, Kind, Result};

/// Length of a secret in bytes: twice what RFC 6749 section 10.10 requires, and what RFC 2104
/// section 3 recommends for HMAC-SHA256.
const SECRET_BYTES: usize = 32;
/// Only the owner may read and write the file.
const MODE: u32 = 0o600;
/// Permissions of all others.
const OTHERS: u32 = 0o077;

/// Returns the secret of a key pair; generates it if it is due.
///
/// # Errors
///
/// `Storage` when the file cannot be used, `Internal` without random numbers; the message says what
/// to do.
pub(super) fn of(pair: &RestKey) -> Result<SecretString> {
    match &pair.secret_key {
        RestSecret::Given(secret) => Ok(secret.clone()),
        RestSecret::Generated(file) => match fs::metadata(file) {
            Ok(metadata) => read(file, &metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => generate(file),
            Err(error) => Err(unusable(file, "cannot be read", &error)),
        },
    }
}

fn read(file: &Path, metadata: &fs::Metadata) -> Result<SecretString> {
    let reject = |problem| {
        let message = format!("the REST secret in `{}` {problem}", file.display());
        Err(Error::new(Kind::Storage, message))
    };
    if !metadata.is_file() {
        return reject("is no file; remove it, and the next start generates one");
    }
    if metadata.permissions().mode() & OTHERS != 0 {
        return reject(
            "can be read by other users; run `chmod 600` on it, or delete it, and the next start \
             generates another",
        );
    }
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| unusable(file, "cannot be read", &error))?;
    match text.trim() {
        "" => reject("is empty; delete the file, and the next start generates another"),
        secret => Ok(SecretString::from(secret)),
    }
}

fn generate(file: &Path) -> Result<SecretString> {
    let mut random = [0; SECRET_BYTES];
    aws_lc_rs::default_provider()
        .secure_random
        .fill(&mut random)
        .map_err(|_| Error::new(Kind::Internal, "cannot generate random numbers"))?;
    // No character of it needs an escape in a URL or a shell.
    let secret = SecretString::from(URL_SAFE_NO_PAD.encode(random));
    create(file, secret.expose_secret())
        .map_err(|error| unusable(file, "cannot be created", &error))?;
    let file = file.display();
    tracing::info!(%file, "REST secret generated");
    Ok(secret)
}

/// Creates the file for its owner, without a line end, so that `curl --data-urlencode NAME@FILE`
/// sends the secret alone.
fn create(file: &Path, secret: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(MODE).open(file)?;
    file.write_all(secret.as_bytes())?;
    file.sync_all()
}

fn unusable(file: &Path, problem: &str, error: &io::Error) -> Error {
    let message = format!("the REST secret in `{}` {problem}: {error}", file.display());
    Error::new(Kind::Storage, message)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn pair(file: PathBuf) -> RestKey {
        RestKey {
            api_key: "local".to_owned(),
            secret_key: RestSecret::Generated(file),
            read_only: false,
        }
    }

    fn mode(file: &Path) -> u32 {
        fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_secret_is_generated_once_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let other = pair(folder.path().join("other"));

        let first = of(&pair(file.clone())).unwrap();
        let second = of(&pair(file.clone())).unwrap();

        assert_eq!(first.expose_secret(), second.expose_secret());
        assert_eq!(fs::read_to_string(&file).unwrap(), first.expose_secret());
        assert_eq!(first.expose_secret().len(), 43);
        assert_eq!(mode(&file), 0o600);
        assert_ne!(of(&other).unwrap().expose_secret(), first.expose_secret());
    }

    #[test]
    fn an_unusable_file_is_an_error_that_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let message = || of(&pair(file.clone())).unwrap_err().to_string();

        fs::write(&file, "canary").unwrap();
        for mode in [0o644, 0o640, 0o602] {
            fs::set_permissions(&file, PermissionsExt::from_mode(mode)).unwrap();
            let message = message();
            assert!(message.contains("chmod 600"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
        fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        fs::write(&file, "\n").unwrap();
        assert!(message().contains("is empty; delete"));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(message().contains("is no file"));
        let nowhere = pair(folder.path().join("missing/secret"));
        assert!(
            of(&nowhere)
                .unwrap_err()
                .to_string()
                .contains("cannot be created")
        );
    }
}
