package project

import "elt/internal/singer"

// Rules are what the extractor's extras say about its catalog. With a custom
// catalog (the extra "catalog") only SelectFilter applies; the caller knows.
func (s *Settings) Rules() (singer.Rules, error) {
	r := singer.Rules{Select: textList(s.Extra("select")), SelectFilter: textList(s.Extra("select_filter"))}
	if r.Select == nil {
		r.Select = []string{}
	}
	var err error
	for name, into := range map[string]*[]byte{"metadata": (*[]byte)(&r.Metadata), "schema": (*[]byte)(&r.Schema)} {
		if m, ok := s.Extra(name).(*Map); ok && m.Len() > 0 {
			if *into, err = marshal(m); err != nil {
				return singer.Rules{}, err
			}
		}
	}
	return r, nil
}

func textList(v any) []string {
	var out []string
	list, _ := v.([]any)
	for _, item := range list {
		out = append(out, scalarText(item))
	}
	return out
}
