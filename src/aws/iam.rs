//! Identity and Access Management of one account: users, groups, roles, policies, and keys.

mod entity;

pub use entity::{
    AccessKey, AttachedPolicy, Detail, Group, GroupDetail, InlinePolicy, Policy, PolicyDetail, Role,
    RoleDetail, Tag, User, UserDetail,
};
