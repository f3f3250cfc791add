import NN
import System

/// Division of the flat buffers of a store into messages, in which gradients are summed, and of each message among the
/// ranks.
///
/// Messages are runs of consecutive parameters, the last parameters first, because the backward pass reaches the last
/// layers first. A message is divided among the places of the groups, and the part of a place among the groups: each
/// element has one owner in the job, which updates it.
package struct Partition {
    /// Elements that are summed together.
    package struct Message {
        /// Bucket of parameters whose gradients must be final before the message is summed.
        package let bucket: Int
        package let elements: Range<Int>
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

    /// - Parameter messageElements: number of elements at which a bucket is closed, and the most of a message.
    package init(_ store: ParameterStore, _ ranks: RankGroups, messageElements: Int? = nil) {
        places = ranks.places
        groups = ranks.sizes.count
        // Parts of at least 64 kB, if that leaves several messages for the sum to overlap with the backward pass.
        let largest = messageElements ?? min(1 << 23, max(1 << 20, places * groups << 14))
        var (buckets, messages): ([Bucket], [Message]) = ([], [])
        var (end, upper) = (store.parameters.count, store.values.count)
        while end > 0 {
            var first = end - 1
            let group = store.groups.firstIndex { $0.parameters.contains(first) }!
            let lowest = store.groups[group].parameters.lowerBound
            while first > lowest, upper - store.parameters[first].range.lowerBound < largest { first -= 1 }
            let lower = store.parameters[first].range.lowerBound
            let cuts = stride(from: lower, to: upper, by: largest).map { $0..<min($0 + largest, upper) }
            let indices = messages.count..<messages.count + cuts.count
            messages += cuts.map { Message(bucket: buckets.count, elements: $0) }
            buckets.append(Bucket(parameters: first..<end, group: group, messages: indices))
            (end, upper) = (first, lower)
        }
        (self.buckets, self.messages) = (buckets, messages)
    }

    /// The elements of a message for which a place stands.
    package func part(of message: Message, place: Int) -> Range<Int> {
        Self.cut(message.elements, index: place, of: places)
    }

    /// The elements of a message that each group's rank of a place owns.
    package func owned(of message: Message, place: Int) -> [Range<Int>] {
        let part = part(of: message, place: place)
        return (0..<groups).map { Self.cut(part, index: $0, of: groups) }
    }

    /// All elements that the rank of a place and a group owns; none for a rank without a place.
    package func owned(place: Int, group: Int) -> ElementRanges {
        guard place < places else { return ElementRanges([]) }
        return ElementRanges(
            messages.map { owned(of: $0, place: place)[group] }.sorted { $0.lowerBound < $1.lowerBound })
    }

    /// Part `index` of `count` of a range, in whole units of 16 elements but for its end.
    private static func cut(_ range: Range<Int>, index: Int, of count: Int) -> Range<Int> {
        let units = (range.count + 15) / 16
        func edge(_ index: Int) -> Int { range.lowerBound + min(range.count, 16 * (units * index / count)) }
        return edge(index)..<edge(index + 1)
    }
}
