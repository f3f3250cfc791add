extension AttributeHolder where Self: ~Copyable {
    /// Copies the attributes with texts and numbers to another object, and returns the names of the others. Throws
    /// `HDF5Error`.
    package func copyAttributes<Target: AttributeHolder & ~Copyable>(
        to target: borrowing Target, except: Set<String> = []
    ) throws -> [String] {
        var others: [String] = []
        for name in try attributeNames where !except.contains(name) {
            guard let value = AttributeValue(self, name) else {
                others.append(name)
                continue
            }
            try value.set(name, of: target)
        }
        return others
    }

    /// The names of the attributes that `copyAttributes` cannot copy.
    package func attributesThatCannotBeCopied() -> [String] {
        ((try? attributeNames) ?? []).filter { AttributeValue(self, $0) == nil }
    }
}

/// The value of an attribute with texts or numbers.
private enum AttributeValue {
    case text(String)
    case texts([String])
    case integer(Int)
    case integers([Int])
    case number(Double)
    case numbers([Double])

    /// Nil if the attribute is of another type or cannot be read.
    init?<Owner: AttributeHolder & ~Copyable>(_ owner: borrowing Owner, _ name: String) {
        if let texts = try? owner.stringsAttribute(name) {
            self = texts.count == 1 ? .text(texts[0]) : .texts(texts)
        } else if let integers = try? owner.intsAttribute(name) {
            self = integers.count == 1 ? .integer(integers[0]) : .integers(integers)
        } else if let numbers = try? owner.doublesAttribute(name) {
            self = numbers.count == 1 ? .number(numbers[0]) : .numbers(numbers)
        } else {
            return nil
        }
    }

    func set<Owner: AttributeHolder & ~Copyable>(_ name: String, of owner: borrowing Owner) throws {
        switch self {
        case .text(let text): try owner.setAttribute(name, to: text)
        case .texts(let texts): try owner.setAttribute(name, to: texts)
        case .integer(let integer): try owner.setAttribute(name, to: integer)
        case .integers(let integers): try owner.setAttribute(name, to: integers)
        case .number(let number): try owner.setAttribute(name, to: number)
        case .numbers(let numbers): try owner.setAttribute(name, to: numbers)
        }
    }
}
