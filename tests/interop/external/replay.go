package main

import (
	"context"
	"fmt"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/types"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// replay is a connector that lists the rows of a file. What it does not serve is a nil interface, and a call of it a
// panic: a sync asks for nothing else.
type replay struct {
	types.ConnectorClient
	file         *file
	entitlements map[string][]*v2.Entitlement
	grants       map[string][]*v2.Grant
}

func newReplay(rows *file) *replay {
	r := &replay{file: rows, entitlements: map[string][]*v2.Entitlement{}, grants: map[string][]*v2.Grant{}}
	for _, row := range rows.entitlements {
		key := keyOf(row.GetResource().GetId())
		r.entitlements[key] = append(r.entitlements[key], row)
	}
	for _, row := range rows.grants {
		if isDerived(row) {
			continue
		}
		// expansion has put itself among the sources of direct grants
		listed, _ := proto.Clone(row).(*v2.Grant)
		listed.SetSources(nil)
		key := keyOf(row.GetEntitlement().GetResource().GetId())
		r.grants[key] = append(r.grants[key], listed)
	}
	return r
}

func keyOf(id *v2.ResourceId) string {
	return fmt.Sprintf("%q %q", id.GetResourceType(), id.GetResource())
}

func (r *replay) Validate(context.Context, *v2.ConnectorServiceValidateRequest, ...grpc.CallOption) (*v2.ConnectorServiceValidateResponse, error) {
	return &v2.ConnectorServiceValidateResponse{}, nil
}

func (r *replay) GetMetadata(context.Context, *v2.ConnectorServiceGetMetadataRequest, ...grpc.CallOption) (*v2.ConnectorServiceGetMetadataResponse, error) {
	return &v2.ConnectorServiceGetMetadataResponse{}, nil
}

func (r *replay) Cleanup(context.Context, *v2.ConnectorServiceCleanupRequest, ...grpc.CallOption) (*v2.ConnectorServiceCleanupResponse, error) {
	return &v2.ConnectorServiceCleanupResponse{}, nil
}

func (r *replay) ListResourceTypes(
	context.Context, *v2.ResourceTypesServiceListResourceTypesRequest, ...grpc.CallOption,
) (*v2.ResourceTypesServiceListResourceTypesResponse, error) {
	return v2.ResourceTypesServiceListResourceTypesResponse_builder{List: r.file.types}.Build(), nil
}

func (r *replay) ListResources(
	_ context.Context, request *v2.ResourcesServiceListResourcesRequest, _ ...grpc.CallOption,
) (*v2.ResourcesServiceListResourcesResponse, error) {
	var list []*v2.Resource
	for _, row := range r.file.resources {
		ofType := row.GetId().GetResourceType() == request.GetResourceTypeId()
		if ofType && r.listedUnder(row) == keyOf(request.GetParentResourceId()) {
			list = append(list, row)
		}
	}
	return v2.ResourcesServiceListResourcesResponse_builder{List: list}.Build(), nil
}

// listedUnder is the key of the parent that a row is listed under: a parent that announces no children of its type has
// none, and the row is listed at the top.
func (r *replay) listedUnder(row *v2.Resource) string {
	parent := keyOf(row.GetParentResourceId())
	for _, other := range r.file.resources {
		if keyOf(other.GetId()) != parent {
			continue
		}
		for _, annotation := range other.GetAnnotations() {
			child := &v2.ChildResourceType{}
			if annotation.UnmarshalTo(child) == nil && child.GetResourceTypeId() == row.GetId().GetResourceType() {
				return parent
			}
		}
	}
	var nobody *v2.ResourceId
	return keyOf(nobody)
}

func (r *replay) ListEntitlements(
	_ context.Context, request *v2.EntitlementsServiceListEntitlementsRequest, _ ...grpc.CallOption,
) (*v2.EntitlementsServiceListEntitlementsResponse, error) {
	list := r.entitlements[keyOf(request.GetResource().GetId())]
	return v2.EntitlementsServiceListEntitlementsResponse_builder{List: list}.Build(), nil
}

func (r *replay) ListStaticEntitlements(
	context.Context, *v2.EntitlementsServiceListStaticEntitlementsRequest, ...grpc.CallOption,
) (*v2.EntitlementsServiceListStaticEntitlementsResponse, error) {
	return &v2.EntitlementsServiceListStaticEntitlementsResponse{}, nil
}

func (r *replay) ListGrants(
	_ context.Context, request *v2.GrantsServiceListGrantsRequest, _ ...grpc.CallOption,
) (*v2.GrantsServiceListGrantsResponse, error) {
	list := r.grants[keyOf(request.GetResource().GetId())]
	return v2.GrantsServiceListGrantsResponse_builder{List: list}.Build(), nil
}
