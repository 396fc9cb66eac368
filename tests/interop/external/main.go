// Command external lets the public SDK sync what a file of ours holds, together with the file of another connector, and
// compares its rows with those of our own sync of the same two.
//
//	external [-entitlement ID] [-traits TRAIT,...] PLAIN OTHER OURS
//	external -write OTHER
//
// PLAIN is our file without the other connector's rows: the SDK's syncer gets its rows as if a connector listed them.
// OURS is our file with them. OTHER can be a file of any connector; -write makes one. The program prints how many rows are the same, or the first that differ and exits with 1.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	v2 "github.com/conductorone/baton-sdk/pb/c1/connector/v2"
	"github.com/conductorone/baton-sdk/pkg/annotations"
	"github.com/conductorone/baton-sdk/pkg/connectorstore"
	"github.com/conductorone/baton-sdk/pkg/dotc1z"
	"github.com/conductorone/baton-sdk/pkg/dotc1z/c1zstore"
	"github.com/conductorone/baton-sdk/pkg/sync"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// mostShown bounds what is printed of what differs.
const mostShown = 10

func main() {
	entitlement := flag.String("entitlement", "", "what principals of the other file must hold")
	traits := flag.String("traits", "", "traits of the types to take over, separated by commas")
	write := flag.String("write", "", "where to write the file of another connector")
	flag.Parse()
	ctx := context.Background()
	var err error
	switch {
	case *write != "" && flag.NArg() == 0:
		err = writeOther(ctx, *write)
	case *write == "" && flag.NArg() == 3:
		err = judge(ctx, flag.Arg(0), flag.Arg(1), flag.Arg(2), *entitlement, *traits)
	default:
		flag.Usage()
		os.Exit(64)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(ctx context.Context, plain, other, ours, entitlement, traits string) error {
	rows, err := read(ctx, plain)
	if err != nil {
		return err
	}
	directory, err := os.MkdirTemp("", "batond-external-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(directory) }()
	theirs := filepath.Join(directory, "sync.c1z")
	options := []sync.SyncOpt{
		sync.WithC1ZPath(theirs),
		sync.WithTmpDir(directory),
		sync.WithStorageEngine(c1zstore.EngineSQLite),
		sync.WithExternalResourceC1ZPath(other),
		sync.WithExternalResourceEntitlementIdFilter(entitlement),
	}
	for _, name := range strings.FieldsFunc(traits, func(letter rune) bool { return letter == ',' }) {
		number, ok := v2.ResourceType_Trait_value["TRAIT_"+strings.ToUpper(name)]
		if !ok {
			return fmt.Errorf("the SDK knows no trait %q", name)
		}
		options = append(options, sync.WithExternalResourceTraits(v2.ResourceType_Trait(number)))
	}
	syncer, err := sync.NewSyncer(ctx, newReplay(rows), options...)
	if err != nil {
		return err
	}
	if err := errors.Join(syncer.Sync(ctx), syncer.Close(ctx)); err != nil {
		return fmt.Errorf("the SDK's sync failed: %w", err)
	}
	found, err := read(ctx, ours)
	if err != nil {
		return err
	}
	wanted, err := read(ctx, theirs)
	if err != nil {
		return err
	}
	return compare(found, wanted)
}

// file is all rows of one.
type file struct {
	types        []*v2.ResourceType
	resources    []*v2.Resource
	entitlements []*v2.Entitlement
	grants       []*v2.Grant
}

// read gives the rows of a file, expansions included.
func read(ctx context.Context, path string) (*file, error) {
	store, err := dotc1z.NewStore(ctx, path, dotc1z.WithReadOnly(true))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = store.Close(ctx) }()
	lister, ok := store.(connectorstore.ExpansionGrantLister)
	if !ok {
		return nil, fmt.Errorf("%s: the store of the SDK does not list expansions", path)
	}
	var rows file
	err = errors.Join(
		pages(func(token string) (string, error) {
			page, err := store.ListResourceTypes(ctx, v2.ResourceTypesServiceListResourceTypesRequest_builder{PageToken: token}.Build())
			rows.types = append(rows.types, page.GetList()...)
			return page.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			page, err := store.ListResources(ctx, v2.ResourcesServiceListResourcesRequest_builder{PageToken: token}.Build())
			rows.resources = append(rows.resources, page.GetList()...)
			return page.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			page, err := store.ListEntitlements(ctx, v2.EntitlementsServiceListEntitlementsRequest_builder{PageToken: token}.Build())
			rows.entitlements = append(rows.entitlements, page.GetList()...)
			return page.GetNextPageToken(), err
		}),
		pages(func(token string) (string, error) {
			page, err := lister.ListGrantsWithExpansion(ctx, v2.GrantsServiceListGrantsRequest_builder{PageToken: token}.Build())
			rows.grants = append(rows.grants, page.GetList()...)
			return page.GetNextPageToken(), err
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return &rows, nil
}

func pages(next func(token string) (string, error)) error {
	token := ""
	for {
		following, err := next(token)
		if err != nil || following == "" {
			return err
		}
		token = following
	}
}

func compare(found, wanted *file) error {
	differences := slices.Concat(
		differ("resource type", found.types, wanted.types, func(row *v2.ResourceType) string { return row.GetId() }),
		differ("resource", found.resources, wanted.resources, func(row *v2.Resource) string {
			return row.GetId().GetResourceType() + ":" + row.GetId().GetResource()
		}),
		differ("entitlement", found.entitlements, wanted.entitlements, func(row *v2.Entitlement) string { return row.GetId() }),
		differ("grant", found.grants, wanted.grants, func(row *v2.Grant) string { return row.GetId() }),
	)
	if len(differences) > 0 {
		shown := differences[:min(len(differences), mostShown)]
		return fmt.Errorf("%d rows differ:\n%s", len(differences), strings.Join(shown, "\n"))
	}
	fmt.Printf("%d resource types, %d resources, %d entitlements and %d grants are the same\n",
		len(wanted.types), len(wanted.resources), len(wanted.entitlements), len(wanted.grants))
	return nil
}

type annotated interface {
	proto.Message
	GetAnnotations() []*anypb.Any
	SetAnnotations([]*anypb.Any)
}

// differ tells which rows only one side has, and which are not the same; the order of annotations means nothing.
func differ[M annotated](kind string, found, wanted []M, id func(M) string) []string {
	index := func(rows []M) map[string]M {
		byID := make(map[string]M, len(rows))
		for _, row := range rows {
			sorted := slices.Clone(row.GetAnnotations())
			slices.SortFunc(sorted, func(a, b *anypb.Any) int {
				return bytes.Compare(canonical(a), canonical(b))
			})
			row.SetAnnotations(sorted)
			byID[id(row)] = row
		}
		return byID
	}
	ours, theirs := index(found), index(wanted)
	var differences []string
	for key, row := range theirs {
		mine, ok := ours[key]
		switch {
		case !ok:
			differences = append(differences, fmt.Sprintf("%s %s is lacking", kind, key))
		case !proto.Equal(mine, row):
			differences = append(differences,
				fmt.Sprintf("%s %s\n  ours %s\n  SDK  %s", kind, key, protojson.Format(mine), protojson.Format(row)))
		}
	}
	for key := range ours {
		if _, ok := theirs[key]; !ok {
			differences = append(differences, fmt.Sprintf("%s %s is not expected", kind, key))
		}
	}
	slices.Sort(differences)
	return differences
}

func canonical(message proto.Message) []byte {
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	if err != nil {
		panic(err)
	}
	return encoded
}

// isDerived tells grants that only expansion made: a connector does not list them.
func isDerived(grant *v2.Grant) bool {
	sources := grant.GetSources().GetSources()
	_, isDirect := sources[grant.GetEntitlement().GetId()]
	immutable := annotations.Annotations(grant.GetAnnotations())
	return len(sources) > 0 && !isDirect && immutable.Contains(&v2.GrantImmutable{})
}
