package project

// Kind is a plugin type as the project file spells it.
type Kind string

// The kinds of plugins.
const (
	Extractors    Kind = "extractors"
	Loaders       Kind = "loaders"
	Mappers       Kind = "mappers"
	Utilities     Kind = "utilities"
	Orchestrators Kind = "orchestrators"
	Transformers  Kind = "transformers"
	Transforms    Kind = "transforms"
	Files         Kind = "files"
)

// Kinds are all kinds, in the order in which they are listed.
func Kinds() []Kind {
	return []Kind{Extractors, Loaders, Mappers, Utilities, Orchestrators, Transformers, Transforms, Files}
}

// Singular is the word for one plugin of the kind: "extractor".
func (k Kind) Singular() string {
	switch k {
	case Utilities:
		return "utility"
	case Files:
		return "file bundle"
	case "":
		return ""
	}
	return string(k[:len(k)-1])
}

// noun names the kind in variables: MELTANO_EXTRACTOR_NAME.
func (k Kind) noun() string {
	if k == Files {
		return "file"
	}
	return k.Singular()
}

// verb names the kind in the variables of its settings: MELTANO_EXTRACT_URL.
func (k Kind) verb() string {
	switch k {
	case Extractors:
		return "extract"
	case Loaders:
		return "load"
	case Mappers:
		return "map"
	case Utilities:
		return "utilize"
	case Orchestrators:
		return "orchestrate"
	case Transformers, Transforms:
		return "transform"
	}
	return k.noun()
}

// singer says that the plugin gets its configuration as a file without nulls.
func (k Kind) singer() bool { return k == Extractors || k == Loaders || k == Mappers }

// ParseKind reads a kind in singular or plural.
func ParseKind(word string) (Kind, bool) {
	for _, k := range Kinds() {
		if word == string(k) || word == k.noun() {
			return k, true
		}
	}
	return "", false
}
