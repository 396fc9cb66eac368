package main

import (
	"fmt"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// What was compared, and what differs.
type report struct {
	differences                              []string
	messages, fields, enums, values, methods int

	theirs             *protoregistry.Files
	undeclared, beyond map[string]string
}

func compare(files linker.Files, theirs *protoregistry.Files, undeclared, beyond map[string]string) *report {
	r := &report{theirs: theirs, undeclared: undeclared, beyond: beyond}
	for _, file := range files {
		r.enumsOf(file.Enums())
		r.messagesOf(file.Messages())
		for i := range file.Services().Len() {
			r.service(file.Services().Get(i))
		}
	}
	return r
}

func (r *report) differ(name protoreflect.FullName, format string, args ...any) {
	r.differences = append(r.differences, fmt.Sprintf("%s: %s", name, fmt.Sprintf(format, args...)))
}

// Whether a declaration is to be compared with the SDK's. One that the SDK lacks is a difference unless it is listed,
// and so is one that is listed although the SDK has it.
func (r *report) shared(name protoreflect.FullName, inSDK bool, lack string, args ...any) bool {
	_, listed := r.beyond[string(name)]
	switch {
	case inSDK && listed:
		r.differ(name, "in the SDK, although listed as beyond it")
	case !inSDK && !listed:
		r.differ(name, lack, args...)
	}
	return inSDK
}

// The SDK's descriptor of the same name and kind, or a difference.
func counterpart[D protoreflect.Descriptor](r *report, ours D) (D, bool) {
	var none D
	found, err := r.theirs.FindDescriptorByName(ours.FullName())
	if !r.shared(ours.FullName(), err == nil, "not in the SDK") {
		return none, false
	}
	same, ok := found.(D)
	if !ok {
		r.differ(ours.FullName(), "a different kind of declaration in the SDK")
		return none, false
	}
	return same, true
}

func (r *report) messagesOf(messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		ours := messages.Get(i)
		if ours.IsMapEntry() {
			continue
		}
		r.enumsOf(ours.Enums())
		r.messagesOf(ours.Messages())
		theirs, ok := counterpart(r, ours)
		if !ok {
			continue
		}
		r.messages++
		r.fieldsOf(ours, theirs)
	}
}

func (r *report) fieldsOf(ours, theirs protoreflect.MessageDescriptor) {
	// JSON prints fields in the order of their declaration, so the order counts as well.
	last := -1
	for i := range ours.Fields().Len() {
		field := ours.Fields().Get(i)
		same := theirs.Fields().ByNumber(field.Number())
		if !r.shared(field.FullName(), same != nil, "number %d is not in the SDK", field.Number()) {
			continue
		}
		r.fields++
		if here, there := shape(field), shape(same); here != there {
			r.differ(field.FullName(), "declared as %q, in the SDK %q", here, there)
		}
		if same.Index() < last {
			r.differ(field.FullName(), "declared in a different order")
		}
		last = same.Index()
	}
	for i := range theirs.Fields().Len() {
		field := theirs.Fields().Get(i)
		_, left := r.undeclared[string(field.FullName())]
		declared := ours.Fields().ByNumber(field.Number()) != nil
		if !declared && !left {
			r.differ(field.FullName(), "not declared: %s", shape(field))
		}
		if declared && left {
			r.differ(field.FullName(), "declared, although listed as left out")
		}
	}
}

// All that matters of a field on the wire and in JSON.
func shape(field protoreflect.FieldDescriptor) string {
	text := fmt.Sprintf("%s %s %s = %d", field.Cardinality(), kind(field), field.Name(), field.Number())
	if field.IsMap() {
		text = fmt.Sprintf("map<%s, %s> %s = %d",
			kind(field.MapKey()), kind(field.MapValue()), field.Name(), field.Number())
	}
	if field.HasOptionalKeyword() {
		text += " optional"
	}
	if oneof := field.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
		text += fmt.Sprintf(" in %s", oneof.Name())
	}
	if field.IsPacked() {
		text += " packed"
	}
	return fmt.Sprintf("%s as %s", text, field.JSONName())
}

func kind(field protoreflect.FieldDescriptor) string {
	switch {
	case field.Message() != nil:
		return string(field.Message().FullName())
	case field.Enum() != nil:
		return string(field.Enum().FullName())
	default:
		return field.Kind().String()
	}
}

func (r *report) enumsOf(enums protoreflect.EnumDescriptors) {
	for i := range enums.Len() {
		ours := enums.Get(i)
		theirs, ok := counterpart(r, ours)
		if !ok {
			continue
		}
		r.enums++
		for j := range ours.Values().Len() {
			value := ours.Values().Get(j)
			r.values++
			same := theirs.Values().ByName(value.Name())
			equal := same != nil && same.Number() == value.Number()
			r.shared(value.FullName(), equal, "%d is not in the SDK under this name", value.Number())
		}
		for j := range theirs.Values().Len() {
			value := theirs.Values().Get(j)
			if ours.Values().ByName(value.Name()) == nil {
				r.differ(value.FullName(), "not declared: %d", value.Number())
			}
		}
	}
}

func (r *report) service(ours protoreflect.ServiceDescriptor) {
	theirs, ok := counterpart(r, ours)
	if !ok {
		return
	}
	for i := range ours.Methods().Len() {
		method := ours.Methods().Get(i)
		same := theirs.Methods().ByName(method.Name())
		if same == nil {
			r.differ(method.FullName(), "not in the SDK")
			continue
		}
		r.methods++
		if here, there := signature(method), signature(same); here != there {
			r.differ(method.FullName(), "declared as %q, in the SDK %q", here, there)
		}
	}
	for i := range theirs.Methods().Len() {
		method := theirs.Methods().Get(i)
		if ours.Methods().ByName(method.Name()) == nil {
			r.differ(method.FullName(), "not declared")
		}
	}
}

func signature(method protoreflect.MethodDescriptor) string {
	return fmt.Sprintf("(%s, streaming %t) -> (%s, streaming %t)",
		method.Input().FullName(), method.IsStreamingClient(),
		method.Output().FullName(), method.IsStreamingServer())
}
