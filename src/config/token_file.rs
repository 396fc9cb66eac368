//! The files in which a platform keeps a token that proves who this process is.

use std::path::PathBuf;

/// A file of a token, and the variable that names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenFile {
    /// The variable.
    pub variable: &'static str,
    /// The file.
    pub path: PathBuf,
}

/// The variables: of IRSA, and of EKS Pod Identity.
const VARIABLES: [&str; 2] = ["AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"];

impl TokenFile {
    /// Those that the environment of this process names. They are read by the AWS SDK alone.
    pub fn of_process() -> Vec<Self> {
        let named = |variable| {
            let path = std::env::var_os(variable).filter(|path| !path.is_empty())?;
            Some(Self { variable, path: path.into() })
        };
        VARIABLES.into_iter().filter_map(named).collect()
    }
}
