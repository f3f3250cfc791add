import NN
import System

/// Division of the flat buffers of a store into messages, in which gradients are summed, and of each message among the
/// ranks.
///
/// Messages are runs of consecutive parameters, the last parameters first, because the backward pass reaches the last
/// layers first. A message is divided among the places of the groups, and the part of a place among the groups: each
/// element has one owner in the job, which updates it.
///
/// A parameter that an optimizer needs whole has messages of its own, with a single owner. Such parameters are given to
/// the ranks from the most to the least costly, each to the rank with the least so far.
package struct Partition {
    /// Elements that are summed together.
    package struct Message {
        /// Bucket of parameters whose gradients must be final before the message is summed.
        package let bucket: Int
        package let elements: Range<Int>
        /// The only owner, by `place + places · group`; nil for a message that is divided.
        fileprivate(set) var owner: Int?
    }

    /// Parameters of one group that are summed as soon as the gradients of all of them are final.
    package struct Bucket {
        package let parameters: Range<Int>
        /// Index of the parameter group.
        package let group: Int
        /// Indices of its messages.
        package let messages: Range<Int>
    }

    package let buckets: [Bucket]
    package let messages: [Message]
    private let places: Int
    private let groups: Int

    /// - Parameters:
    ///   - messageElements: number of elements at which a bucket is closed, and the most of a message.
    ///   - whole: indices of the parameters that have a single owner.
    package init(
        _ store: ParameterStore, _ ranks: RankGroups, messageElements: Int? = nil, whole: Set<Int> = []
    ) {
        places = ranks.places
        groups = ranks.sizes.count
        // Parts of at least 64 kB, if that leaves several messages for the sum to overlap with the backward pass.
        let largest = messageElements ?? min(1 << 23, max(1 << 20, places * groups << 14))
        var (buckets, messages): ([Bucket], [Message]) = ([], [])
        var wholes: [(messages: Range<Int>, parameter: Int)] = []
        var (end, upper) = (store.parameters.count, store.values.count)
        while end > 0 {
            var first = end - 1
            let group = store.groups.firstIndex { $0.parameters.contains(first) }!
            let lowest = store.groups[group].parameters.lowerBound
            while first > lowest, upper - store.parameters[first].range.lowerBound < largest { first -= 1 }
            let lower = store.parameters[first].range.lowerBound
            let begin = messages.count
            func append(_ elements: Range<Int>, atMost most: Int) {
                for start in stride(from: elements.lowerBound, to: elements.upperBound, by: most) {
                    messages.append(
                        Message(bucket: buckets.count, elements: start..<min(start + most, elements.upperBound)))
                }
            }
            var next = lower
            for parameter in (first..<end).filter(whole.contains) {
                let bounds =
                    store.parameters[parameter].range
                    .lowerBound..<(parameter + 1 < end ? store.parameters[parameter + 1].range.lowerBound : upper)
                append(next..<bounds.lowerBound, atMost: largest)
                // The owner receives its message from the ranks of the same place in all groups at once.
                let start = messages.count
                append(bounds, atMost: max(16, largest / groups))
                wholes.append((start..<messages.count, parameter))
                next = bounds.upperBound
            }
            append(next..<upper, atMost: largest)
            let indices = begin..<messages.count
            buckets.append(Bucket(parameters: first..<end, group: group, messages: indices))
            (end, upper) = (first, lower)
        }
        let owners = Self.owners(of: wholes.map { store.parameters[$0.parameter].shape }, ranks: places * groups)
        for (whole, owner) in zip(wholes, owners) {
            for message in whole.messages { messages[message].owner = owner }
        }
        (self.buckets, self.messages) = (buckets, messages)
    }

    /// The owner of each of some matrices, whose products with their transposes cost the elements times the smaller
    /// side.
    package static func owners(of shapes: [[Int]], ranks: Int) -> [Int] {
        let costs = shapes.map { $0.reduce(1, *) * ($0.min() ?? 1) }
        var (queue, owners) = (LoadQueue(ranks: ranks), Array(repeating: 0, count: shapes.count))
        for index in shapes.indices.sorted(by: { (costs[$1], $0) < (costs[$0], $1) }) {
            owners[index] = queue.assign(costs[index])
        }
        return owners
    }

    /// The elements of a message that a place sums.
    package func part(of message: Message, place: Int) -> Range<Int> {
        guard let owner = message.owner else { return Self.cut(message.elements, index: place, of: places) }
        return Self.all(message.elements, at: owner % places, index: place)
    }

    /// The elements of a message that each group's rank of a place owns.
    package func owned(of message: Message, place: Int) -> [Range<Int>] {
        (0..<groups).map { owned(of: message, place: place, group: $0) }
    }

    private func owned(of message: Message, place: Int, group: Int) -> Range<Int> {
        let part = part(of: message, place: place)
        return message.owner.map { Self.all(part, at: $0 / places, index: group) }
            ?? Self.cut(part, index: group, of: groups)
    }

    /// All elements that the rank of a place and a group owns; none for a rank without a place.
    package func owned(place: Int, group: Int) -> ElementRanges {
        guard place < places else { return ElementRanges([]) }
        return ElementRanges(
            messages.map { owned(of: $0, place: place, group: group) }.sorted { $0.lowerBound < $1.lowerBound })
    }

    /// Part `index` of a range that belongs to part `owner` alone; the others are empty ranges at its ends.
    private static func all(_ range: Range<Int>, at owner: Int, index: Int) -> Range<Int> {
        let (lower, upper) = (range.lowerBound, range.upperBound)
        return index < owner ? lower..<lower : index == owner ? lower..<upper : upper..<upper
    }

    /// Part `index` of `count` of a range, in whole units of 16 elements but for its end.
    private static func cut(_ range: Range<Int>, index: Int, of count: Int) -> Range<Int> {
        let units = (range.count + 15) / 16
        func edge(_ index: Int) -> Int { range.lowerBound + min(range.count, 16 * (units * index / count)) }
        return edge(index)..<edge(index + 1)
    }
}
