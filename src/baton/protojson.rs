//! The canonical JSON of protobuf messages, as the `capabilities` and `config` subcommands print it.
//!
//! Names are in lowerCamelCase and in the order of declaration, enum values by name, 64-bit integers as strings,
//! bytes in base64, fields with default values left out. The content of an `Any` stands next to its `@type`. To print
//! a message with `@type` in front, print it [packed](super::any::pack).

mod tree;

use std::sync::LazyLock;

use prost::Name;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use tree::Json;

/// Why a message has no JSON.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Neither the message nor an `Any` inside it may be of a type that this program does not know.
    #[error("no such message type: {0:?}")]
    UnknownType(String),
    /// The bytes of an `Any` are not those of its type.
    #[error("content of an Any that is not a {type_name}")]
    Malformed {
        /// Full name of the type that the `Any` claims.
        type_name: String,
        /// What is wrong with the bytes.
        source: prost::DecodeError,
    },
    /// A number that JSON has no notation for, in a place that takes numbers only.
    #[error("not a finite number")]
    NotFinite,
    /// The embedded descriptions of the messages cannot be read: this build is broken.
    #[error("unreadable message descriptors: {0}")]
    Descriptors(String),
    /// The JSON cannot be written.
    #[error("cannot write JSON")]
    Write(#[from] serde_json::Error),
}

/// The JSON of a message, indented by two spaces, without a newline at its end.
pub fn to_json_pretty<M: Name>(message: &M) -> Result<String, JsonError> {
    Ok(serde_json::to_string_pretty(&tree(message)?)?)
}

/// The JSON of a message on one line, without a newline at its end.
pub fn to_json_line<M: Name>(message: &M) -> Result<String, JsonError> {
    Ok(serde_json::to_string(&tree(message)?)?)
}

/// Writes `<`, `>`, `&` and the two line separators of Unicode as `\u` escapes, as JSON that goes into HTML does.
///
/// In JSON these characters occur within strings only, so the JSON says the same as before.
pub fn escape_for_html(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn tree<M: Name>(message: &M) -> Result<Json, JsonError> {
    tree::of_message(&decode(descriptor(&M::full_name())?, &message.encode_to_vec())?)
}

fn decode(descriptor: MessageDescriptor, bytes: &[u8]) -> Result<DynamicMessage, JsonError> {
    let type_name = descriptor.full_name().to_owned();
    DynamicMessage::decode(descriptor, bytes).map_err(|source| JsonError::Malformed { type_name, source })
}

// Read on first use: most commands print no message.
static POOL: LazyLock<Result<DescriptorPool, String>> = LazyLock::new(|| {
    let descriptors = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb")).as_slice();
    DescriptorPool::decode(descriptors).map_err(|error| error.to_string())
});

fn descriptor(full_name: &str) -> Result<MessageDescriptor, JsonError> {
    let pool = POOL.as_ref().map_err(|error| JsonError::Descriptors(error.clone()))?;
    pool.get_message_by_name(full_name).ok_or_else(|| JsonError::UnknownType(full_name.to_owned()))
}

#[cfg(test)]
mod tests {
    use prost_types::{Any, Timestamp};

    use super::*;
    use crate::baton::any::pack;
    use crate::baton::config_v1::{
        BoolField, Configuration, Constraint, ConstraintKind, Field, Int64Rules, IntField, StringField,
        StringRules, field,
    };
    use crate::baton::profile::Profile;
    use crate::baton::v2::{
        Capability, CapabilityDetailCredentialOption, CapabilityPermission, CapabilityPermissions,
        ConnectorCapabilities, CredentialDetails, CredentialDetailsAccountProvisioning, EncryptedData, Grant,
        GrantSources, OptInRequired, Resource, ResourceType, ResourceTypeCapability, V1Identifier,
        grant_sources, resource_type::Trait,
    };

    fn with_annotation(any: Any) -> Resource {
        Resource { annotations: vec![any], ..Resource::default() }
    }

    #[test]
    fn an_any_of_an_unknown_type_is_an_error_that_names_it() {
        let any = Any { type_url: "type.googleapis.com/c1.connector.v2.Nonsense".into(), value: vec![] };

        let error = to_json_pretty(&with_annotation(any)).unwrap_err();

        assert!(
            matches!(&error, JsonError::UnknownType(name) if name == "c1.connector.v2.Nonsense"),
            "{error}"
        );
    }

    #[test]
    fn a_malformed_any_is_an_error_that_names_its_type() {
        let mut any = pack(&V1Identifier::default());
        any.value = vec![0xff];

        let error = to_json_pretty(&with_annotation(any)).unwrap_err();

        assert!(
            matches!(&error, JsonError::Malformed { type_name, .. } if type_name == "c1.connector.v2.V1Identifier"),
            "{error}"
        );
    }

    #[test]
    fn a_number_that_is_not_finite_is_an_error() {
        let resource =
            Resource { profile: Some(Profile::new().number("n", f64::NAN).build()), ..Resource::default() };

        assert!(matches!(to_json_pretty(&resource), Err(JsonError::NotFinite)));
    }

    #[test]
    fn an_unknown_enum_value_prints_as_its_number() {
        let resource_type = ResourceType { traits: vec![1, 4711], ..ResourceType::default() };

        assert_eq!(
            to_json_pretty(&resource_type).unwrap(),
            "{\n  \"traits\": [\n    \"TRAIT_USER\",\n    4711\n  ]\n}"
        );
    }

    #[test]
    fn a_default_message_prints_as_an_empty_object() {
        assert_eq!(to_json_pretty(&Resource::default()).unwrap(), "{}");
    }

    #[test]
    fn packed_capabilities_print_with_their_type_and_annotations() {
        let permissions = CapabilityPermissions {
            permissions: vec![CapabilityPermission { permission: "iam:ListRoles".into() }],
        };
        let capabilities = ConnectorCapabilities {
            resource_type_capabilities: vec![
                ResourceTypeCapability {
                    resource_type: Some(ResourceType {
                        id: "role".into(),
                        display_name: "Role".into(),
                        traits: vec![Trait::Role.into()],
                        annotations: vec![pack(&OptInRequired {}), pack(&permissions)],
                        ..ResourceType::default()
                    }),
                    capabilities: vec![Capability::Sync.into(), Capability::Provision.into()],
                    permissions: Some(permissions),
                    opt_in_required: true,
                    ..ResourceTypeCapability::default()
                },
                ResourceTypeCapability {
                    permissions: Some(CapabilityPermissions::default()),
                    ..ResourceTypeCapability::default()
                },
            ],
            connector_capabilities: vec![Capability::Provision.into(), Capability::Sync.into()],
            credential_details: Some(CredentialDetails {
                capability_account_provisioning: Some(CredentialDetailsAccountProvisioning {
                    supported_credential_options: vec![CapabilityDetailCredentialOption::NoPassword.into()],
                    preferred_credential_option: CapabilityDetailCredentialOption::NoPassword.into(),
                }),
                capability_credential_rotation: None,
            }),
        };

        let expected = r#"{
  "@type": "type.googleapis.com/c1.connector.v2.ConnectorCapabilities",
  "resourceTypeCapabilities": [
    {
      "resourceType": {
        "id": "role",
        "displayName": "Role",
        "traits": [
          "TRAIT_ROLE"
        ],
        "annotations": [
          {
            "@type": "type.googleapis.com/c1.connector.v2.OptInRequired"
          },
          {
            "@type": "type.googleapis.com/c1.connector.v2.CapabilityPermissions",
            "permissions": [
              {
                "permission": "iam:ListRoles"
              }
            ]
          }
        ]
      },
      "capabilities": [
        "CAPABILITY_SYNC",
        "CAPABILITY_PROVISION"
      ],
      "permissions": {
        "permissions": [
          {
            "permission": "iam:ListRoles"
          }
        ]
      },
      "optInRequired": true
    },
    {
      "permissions": {}
    }
  ],
  "connectorCapabilities": [
    "CAPABILITY_PROVISION",
    "CAPABILITY_SYNC"
  ],
  "credentialDetails": {
    "capabilityAccountProvisioning": {
      "supportedCredentialOptions": [
        "CAPABILITY_DETAIL_CREDENTIAL_OPTION_NO_PASSWORD"
      ],
      "preferredCredentialOption": "CAPABILITY_DETAIL_CREDENTIAL_OPTION_NO_PASSWORD"
    }
  }
}"#;
        assert_eq!(to_json_pretty(&pack(&capabilities)).unwrap(), expected);
    }

    #[test]
    fn a_configuration_prints_long_integers_as_strings_and_rules_in_declared_order() {
        let setting =
            |name: &str, member| Field { name: name.into(), field: Some(member), ..Field::default() };
        let configuration = Configuration {
            fields: vec![
                setting("flag", field::Field::BoolField(BoolField::default())),
                setting(
                    "count",
                    field::Field::IntField(IntField {
                        default_value: 10,
                        rules: Some(Int64Rules { gte: Some(0), ..Int64Rules::default() }),
                        ..IntField::default()
                    }),
                ),
                setting(
                    "text",
                    field::Field::StringField(StringField {
                        rules: Some(StringRules {
                            len: Some(3),
                            min_len: Some(1),
                            is_required: true,
                            ..StringRules::default()
                        }),
                        ..StringField::default()
                    }),
                ),
            ],
            constraints: vec![Constraint {
                kind: ConstraintKind::DependentOn.into(),
                field_names: vec!["count".into()],
                secondary_field_names: vec!["flag".into()],
                ..Constraint::default()
            }],
            display_name: "AWS".into(),
            ..Configuration::default()
        };

        let expected = r#"{
  "fields": [
    {
      "name": "flag",
      "boolField": {}
    },
    {
      "name": "count",
      "intField": {
        "defaultValue": "10",
        "rules": {
          "gte": "0"
        }
      }
    },
    {
      "name": "text",
      "stringField": {
        "rules": {
          "len": "3",
          "minLen": "1",
          "isRequired": true
        }
      }
    }
  ],
  "constraints": [
    {
      "kind": "CONSTRAINT_KIND_DEPENDENT_ON",
      "fieldNames": [
        "count"
      ],
      "secondaryFieldNames": [
        "flag"
      ]
    }
  ],
  "displayName": "AWS"
}"#;
        assert_eq!(to_json_pretty(&configuration).unwrap(), expected);
    }

    #[test]
    fn fields_print_in_declared_order_and_maps_by_key() {
        let grant = Grant {
            id: "g".into(),
            sources: Some(GrantSources {
                sources: [
                    ("b".to_owned(), grant_sources::GrantSource::default()),
                    ("a".to_owned(), grant_sources::GrantSource { is_direct: true }),
                ]
                .into(),
            }),
            annotations: vec![pack(&V1Identifier { id: "old".into() })],
            ..Grant::default()
        };

        let printed = serde_json::to_string(&tree(&grant).unwrap()).unwrap();

        assert_eq!(
            printed,
            concat!(
                r#"{"id":"g","sources":{"sources":{"a":{"isDirect":true},"b":{}}},"#,
                r#""annotations":[{"@type":"type.googleapis.com/c1.connector.v2.V1Identifier","id":"old"}]}"#
            )
        );
    }

    #[test]
    fn well_known_types_print_in_their_own_notation() {
        let profile = Profile::new()
            .number("whole", 42)
            .number("half", 0.5)
            .bool("yes", true)
            .list("list", ["x"])
            .object("object", Profile::new().string("k", "v"));
        let mut resource = with_annotation(pack(&prost_types::Duration { seconds: 3, nanos: 500_000_000 }));
        resource.profile = Some(profile.build());
        resource.created_at = Some(Timestamp { seconds: 1_700_000_000, nanos: 0 });

        let printed = serde_json::to_string(&tree(&resource).unwrap()).unwrap();

        assert_eq!(
            printed,
            concat!(
                r#"{"annotations":[{"@type":"type.googleapis.com/google.protobuf.Duration","value":"3.500s"}],"#,
                r#""profile":{"half":0.5,"list":["x"],"object":{"k":"v"},"whole":42,"yes":true},"#,
                r#""createdAt":"2023-11-14T22:13:20Z"}"#
            )
        );
    }

    #[test]
    fn bytes_print_in_base64() {
        let data = EncryptedData { encrypted_bytes: vec![0xfb, 0xff], ..EncryptedData::default() };

        assert_eq!(serde_json::to_string(&tree(&data).unwrap()).unwrap(), r#"{"encryptedBytes":"+/8="}"#);
    }

    #[test]
    fn escaping_for_html_changes_the_notation_only() {
        let resource = Resource { display_name: "<a> & \u{2028}".into(), ..Resource::default() };
        let plain = to_json_pretty(&resource).unwrap();

        let escaped = escape_for_html(&plain);

        assert_eq!(escaped, "{\n  \"displayName\": \"\\u003ca\\u003e \\u0026 \\u2028\"\n}");
        let same: [serde_json::Value; 2] = [&plain, &escaped].map(|json| serde_json::from_str(json).unwrap());
        assert_eq!(same[0], same[1]);
    }
}
