//! The process: its limits and its user.

use std::ffi::CString;

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, initgroups, setgid, setgroups, setuid};

/// Why the process could not change itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// The config names a user that the system doesn't know.
    #[error("main.user: no user {0:?} on this system")]
    NoUser(String),
    /// The config names a group that the system doesn't know.
    #[error("main.group: no group {0:?} on this system")]
    NoGroup(String),
    /// A system call failed; only root may become somebody else.
    #[error("{action}: {errno}")]
    Refused {
        /// What was tried.
        action: String,
        /// The system's answer.
        errno: Errno,
    },
}

/// Raises the limit of open files to what the system allows without privileges; answers the limit in force.
///
/// # Errors
///
/// The system's answer.
pub fn raise_file_limit() -> Result<u64, ProcessError> {
    let refused = |errno| ProcessError::Refused { action: "raising the limit of open files".to_owned(), errno };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(refused)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(refused)?;
    }
    Ok(hard.max(soft))
}

/// The limit of open files in force; what every system grants when it can't be asked.
pub fn file_limit() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(256, |(soft, _)| soft)
}

/// How many connections leave enough of so many files for logs, checkpoints and what else is opened.
pub fn connections_within(files_max: u64) -> usize {
    let spare = FILES_SPARED.min(files_max / 2);
    usize::try_from(files_max - spare).unwrap_or(usize::MAX).max(1)
}

/// Files beside connections: 512 open logs of hosts, the files of a checkpoint, NATS, cc-backend, refused connections.
const FILES_SPARED: u64 = 1024;

/// Becomes another user and group, for good and in all threads. Without a group, the user's own is taken; the
/// supplementary groups become the user's, or none. Somebody who is that user and group already may ask for it without
/// being root.
///
/// # Errors
///
/// Unknown names, and the system's refusal; the process may then have changed its group but not its user, and should
/// end.
pub fn drop_privileges(user: Option<&str>, group: Option<&str>) -> Result<(), ProcessError> {
    let user = user.map(find_user).transpose()?;
    let group = group.map(find_group).transpose()?;
    let Some(gid) = group.or(user.as_ref().map(|user| user.gid)) else { return Ok(()) };
    let uid = user.as_ref().map_or_else(geteuid, |user| user.uid);
    if uid == geteuid() && gid == getegid() && !uid.is_root() {
        return Ok(());
    }
    let refused = |action: String| move |errno| ProcessError::Refused { action, errno };
    // The order matters: who is no longer root can't change groups.
    match &user {
        Some(user) => {
            // Names from the system hold no NUL.
            let name = CString::new(user.name.as_str()).map_err(|_| ProcessError::NoUser(user.name.clone()))?;
            initgroups(&name, gid).map_err(refused(format!("taking the groups of user {}", user.name)))?;
        }
        None => setgroups(&[gid]).map_err(refused("giving up supplementary groups".to_owned()))?,
    }
    setgid(gid).map_err(refused(format!("becoming group {gid}")))?;
    if let Some(user) = &user {
        setuid(uid).map_err(refused(format!("becoming user {}", user.name)))?;
        if !uid.is_root() && setuid(Uid::from_raw(0)).is_ok() {
            let action = format!("becoming user {} for good", user.name);
            return Err(ProcessError::Refused { action, errno: Errno::EPERM });
        }
    }
    Ok(())
}

fn find_user(name: &str) -> Result<User, ProcessError> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user),
        Ok(None) => Err(ProcessError::NoUser(name.to_owned())),
        Err(errno) => Err(ProcessError::Refused { action: format!("looking up user {name:?}"), errno }),
    }
}

fn find_group(name: &str) -> Result<Gid, ProcessError> {
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid),
        Ok(None) => Err(ProcessError::NoGroup(name.to_owned())),
        Err(errno) => Err(ProcessError::Refused { action: format!("looking up group {name:?}"), errno }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_limit_goes_up_to_the_hard_one() {
        let raised = raise_file_limit().unwrap();
        let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        assert_eq!((soft, soft), (hard, raised));
    }

    #[test]
    fn connections_leave_room_for_files() {
        assert_eq!(connections_within(1 << 20), (1 << 20) - 1024);
        assert_eq!((connections_within(1024), connections_within(2), connections_within(0)), (512, 1, 1));
    }

    #[test]
    fn unknown_names_are_errors_before_anything_changes() {
        let before = (geteuid(), getegid());
        let error = drop_privileges(Some("no-such-user-here"), Some("root")).unwrap_err();
        assert_eq!(error.to_string(), "main.user: no user \"no-such-user-here\" on this system");
        let error = drop_privileges(None, Some("no-such-group-here")).unwrap_err();
        assert_eq!(error.to_string(), "main.group: no group \"no-such-group-here\" on this system");
        assert_eq!((geteuid(), getegid()), before);
        assert!(drop_privileges(None, None).is_ok(), "nothing asked for, nothing done");
    }
}
