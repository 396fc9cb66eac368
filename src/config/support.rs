//! What happens to settings that ask for something that this build does not have.

use super::field::{Kind, Mode, Support, fields};
use super::read::{Reader, parse_switch};

/// Refuses settings that would select or change something that is not there; notes those that do nothing.
pub(super) fn check(reader: &mut Reader, serves: bool) {
    for field in fields() {
        let text = match field.kind {
            Kind::List => Some(reader.list(field).join(",")).filter(|items| !items.is_empty()),
            _ if reader.is_set(field) => reader.text(field),
            _ => None,
        };
        let Some(text) = text else { continue };
        let is_idle = text == field.default || parse_switch(&text) == Some(false);
        if serves && field.mode == Mode::OneShot {
            reader.inform(field, "is ignored: a control plane is served");
            continue;
        }
        match field.support {
            Support::Built => {}
            _ if is_idle => {}
            Support::Accepted(reason) => {
                reader.inform(field, &format!("is accepted and has no effect: {reason}"));
            }
            Support::Never(reason) => {
                reader.unbuilt(field, format!("{} is no part of batond: {reason}", field.name));
            }
        }
    }
}
