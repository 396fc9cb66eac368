package main

import (
	"context"
	"errors"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/dotc1z/c1zstore"
	"github.com/conductorone/baton-sdk/pkg/sync"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// writeOther makes the file of another connector: people, teams within teams, a team whose members are not told, and an
// application that a team may use.
func writeOther(ctx context.Context, path string) error {
	syncer, err := sync.NewSyncer(ctx, newReplay(otherRows()),
		sync.WithC1ZPath(path), sync.WithStorageEngine(c1zstore.EngineSQLite))
	if err != nil {
		return err
	}
	return errors.Join(syncer.Sync(ctx), syncer.Close(ctx))
}

func otherRows() *file {
	rows := &file{types: []*v2.ResourceType{
		resourceType("person", v2.ResourceType_TRAIT_USER),
		resourceType("team", v2.ResourceType_TRAIT_GROUP),
		resourceType("application", v2.ResourceType_TRAIT_APP),
	}}
	for _, id := range []string{"ada", "bob", "eve"} {
		rows.resources = append(rows.resources, resource("person", id, &v2.UserTrait{}))
	}
	for _, id := range []string{"inner", "outer"} {
		rows.resources = append(rows.resources, resource("team", id, &v2.GroupTrait{}))
	}
	rows.resources = append(rows.resources,
		resource("team", "silent", &v2.GroupTrait{}, &v2.SkipEntitlementsAndGrants{}),
		resource("application", "wiki", &v2.AppTrait{}))
	for _, of := range rows.resources {
		if of.GetId().GetResourceType() != "person" && of.GetId().GetResource() != "silent" {
			rows.entitlements = append(rows.entitlements, v2.Entitlement_builder{
				Resource: of, Id: entitlementID(of), Slug: "member", DisplayName: of.GetDisplayName() + " member",
			}.Build())
		}
	}
	by := func(kind, id string) *v2.Resource {
		for _, row := range rows.resources {
			if row.GetId().GetResourceType() == kind && row.GetId().GetResource() == id {
				return row
			}
		}
		return nil
	}
	rows.grants = []*v2.Grant{
		grant(by("team", "inner"), by("person", "ada")),
		grant(by("team", "outer"), by("person", "bob")),
		grant(by("team", "outer"), by("team", "inner"), expandable(by("team", "inner"))),
		grant(by("application", "wiki"), by("team", "outer"), expandable(by("team", "outer"))),
		grant(by("application", "wiki"), by("person", "eve")),
	}
	return rows
}

func resourceType(id string, trait v2.ResourceType_Trait) *v2.ResourceType {
	return v2.ResourceType_builder{Id: id, DisplayName: id, Traits: []v2.ResourceType_Trait{trait}}.Build()
}

func resource(kind, id string, marks ...proto.Message) *v2.Resource {
	return v2.Resource_builder{
		Id:          v2.ResourceId_builder{ResourceType: kind, Resource: id}.Build(),
		DisplayName: id,
		Annotations: packed(marks),
	}.Build()
}

func entitlementID(of *v2.Resource) string {
	return of.GetId().GetResourceType() + ":" + of.GetId().GetResource() + ":member"
}

func grant(of, principal *v2.Resource, marks ...proto.Message) *v2.Grant {
	return v2.Grant_builder{
		Id:          entitlementID(of) + ":" + principal.GetId().GetResourceType() + ":" + principal.GetId().GetResource(),
		Entitlement: v2.Entitlement_builder{Id: entitlementID(of), Resource: of}.Build(),
		Principal:   principal,
		Annotations: packed(marks),
	}.Build()
}

func expandable(through *v2.Resource) *v2.GrantExpandable {
	return v2.GrantExpandable_builder{EntitlementIds: []string{entitlementID(through)}}.Build()
}

func packed(marks []proto.Message) []*anypb.Any {
	var all []*anypb.Any
	for _, mark := range marks {
		one, err := anypb.New(mark)
		if err != nil {
			panic(err)
		}
		all = append(all, one)
	}
	return all
}
