import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OnDuplicate(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_DUPLICATE_UNSPECIFIED: _ClassVar[OnDuplicate]
    ON_DUPLICATE_REJECT: _ClassVar[OnDuplicate]
    ON_DUPLICATE_ACCEPT: _ClassVar[OnDuplicate]

class OnMatch(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_MATCH_UNSPECIFIED: _ClassVar[OnMatch]
    ON_MATCH_ALLOW: _ClassVar[OnMatch]
    ON_MATCH_REPORT: _ClassVar[OnMatch]
    ON_MATCH_REJECT: _ClassVar[OnMatch]

class TagLogic(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TAG_LOGIC_UNSPECIFIED: _ClassVar[TagLogic]
    TAG_LOGIC_AND: _ClassVar[TagLogic]
    TAG_LOGIC_OR: _ClassVar[TagLogic]

class Profile(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PROFILE_UNSPECIFIED: _ClassVar[Profile]
    PROFILE_LOOSE: _ClassVar[Profile]
    PROFILE_BALANCED: _ClassVar[Profile]
    PROFILE_STRICT: _ClassVar[Profile]

class Effort(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EFFORT_UNSPECIFIED: _ClassVar[Effort]
    EFFORT_FAST: _ClassVar[Effort]
    EFFORT_NORMAL: _ClassVar[Effort]
    EFFORT_THOROUGH: _ClassVar[Effort]

class ListOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    LIST_ORDER_UNSPECIFIED: _ClassVar[ListOrder]
    LIST_ORDER_OLDEST_FIRST: _ClassVar[ListOrder]
    LIST_ORDER_NEWEST_FIRST: _ClassVar[ListOrder]

class Capability(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CAPABILITY_UNSPECIFIED: _ClassVar[Capability]
    CAPABILITY_LIST: _ClassVar[Capability]
    CAPABILITY_DELETE_BY_FILTER: _ClassVar[Capability]
    CAPABILITY_GEOMETRY: _ClassVar[Capability]
    CAPABILITY_MORE_FORMATS: _ClassVar[Capability]
    CAPABILITY_SEARCH_BY_SIGN: _ClassVar[Capability]
    CAPABILITY_FIND_DUPLICATES: _ClassVar[Capability]
    CAPABILITY_PREVIEW: _ClassVar[Capability]

class CircuitBreaker(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    CIRCUIT_BREAKER_UNSPECIFIED: _ClassVar[CircuitBreaker]
    CIRCUIT_BREAKER_CLOSED: _ClassVar[CircuitBreaker]
    CIRCUIT_BREAKER_HALF_OPEN: _ClassVar[CircuitBreaker]
    CIRCUIT_BREAKER_OPEN: _ClassVar[CircuitBreaker]
ON_DUPLICATE_UNSPECIFIED: OnDuplicate
ON_DUPLICATE_REJECT: OnDuplicate
ON_DUPLICATE_ACCEPT: OnDuplicate
ON_MATCH_UNSPECIFIED: OnMatch
ON_MATCH_ALLOW: OnMatch
ON_MATCH_REPORT: OnMatch
ON_MATCH_REJECT: OnMatch
TAG_LOGIC_UNSPECIFIED: TagLogic
TAG_LOGIC_AND: TagLogic
TAG_LOGIC_OR: TagLogic
PROFILE_UNSPECIFIED: Profile
PROFILE_LOOSE: Profile
PROFILE_BALANCED: Profile
PROFILE_STRICT: Profile
EFFORT_UNSPECIFIED: Effort
EFFORT_FAST: Effort
EFFORT_NORMAL: Effort
EFFORT_THOROUGH: Effort
LIST_ORDER_UNSPECIFIED: ListOrder
LIST_ORDER_OLDEST_FIRST: ListOrder
LIST_ORDER_NEWEST_FIRST: ListOrder
CAPABILITY_UNSPECIFIED: Capability
CAPABILITY_LIST: Capability
CAPABILITY_DELETE_BY_FILTER: Capability
CAPABILITY_GEOMETRY: Capability
CAPABILITY_MORE_FORMATS: Capability
CAPABILITY_SEARCH_BY_SIGN: Capability
CAPABILITY_FIND_DUPLICATES: Capability
CAPABILITY_PREVIEW: Capability
CIRCUIT_BREAKER_UNSPECIFIED: CircuitBreaker
CIRCUIT_BREAKER_CLOSED: CircuitBreaker
CIRCUIT_BREAKER_HALF_OPEN: CircuitBreaker
CIRCUIT_BREAKER_OPEN: CircuitBreaker

class AddImageRequest(_message.Message):
    __slots__ = ("library", "content", "url", "brief", "tags", "on_duplicate", "on_match", "match_score")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    ON_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    ON_MATCH_FIELD_NUMBER: _ClassVar[int]
    MATCH_SCORE_FIELD_NUMBER: _ClassVar[int]
    library: str
    content: bytes
    url: str
    brief: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    on_duplicate: OnDuplicate
    on_match: OnMatch
    match_score: float
    def __init__(self, library: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., brief: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ..., on_duplicate: _Optional[_Union[OnDuplicate, str]] = ..., on_match: _Optional[_Union[OnMatch, str]] = ..., match_score: _Optional[float] = ...) -> None: ...

class AddImageResponse(_message.Message):
    __slots__ = ("cont_sign", "existed", "log_id", "matches")
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    cont_sign: str
    existed: bool
    log_id: int
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    def __init__(self, cont_sign: _Optional[str] = ..., existed: _Optional[bool] = ..., log_id: _Optional[int] = ..., matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ...) -> None: ...

class AddImagesRequest(_message.Message):
    __slots__ = ("options", "item")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    options: AddImagesOptions
    item: AddImagesItem
    def __init__(self, options: _Optional[_Union[AddImagesOptions, _Mapping]] = ..., item: _Optional[_Union[AddImagesItem, _Mapping]] = ...) -> None: ...

class AddImagesOptions(_message.Message):
    __slots__ = ("library", "on_duplicate", "max_in_flight", "on_match", "match_score")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    ON_DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    ON_MATCH_FIELD_NUMBER: _ClassVar[int]
    MATCH_SCORE_FIELD_NUMBER: _ClassVar[int]
    library: str
    on_duplicate: OnDuplicate
    max_in_flight: int
    on_match: OnMatch
    match_score: float
    def __init__(self, library: _Optional[str] = ..., on_duplicate: _Optional[_Union[OnDuplicate, str]] = ..., max_in_flight: _Optional[int] = ..., on_match: _Optional[_Union[OnMatch, str]] = ..., match_score: _Optional[float] = ...) -> None: ...

class AddImagesItem(_message.Message):
    __slots__ = ("key", "content", "url", "brief", "tags")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    key: str
    content: bytes
    url: str
    brief: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, key: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., brief: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ...) -> None: ...

class AddImagesResponse(_message.Message):
    __slots__ = ("result", "progress", "drain", "summary")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    result: AddImagesResult
    progress: AddImagesCounts
    drain: AddImagesDrain
    summary: AddImagesCounts
    def __init__(self, result: _Optional[_Union[AddImagesResult, _Mapping]] = ..., progress: _Optional[_Union[AddImagesCounts, _Mapping]] = ..., drain: _Optional[_Union[AddImagesDrain, _Mapping]] = ..., summary: _Optional[_Union[AddImagesCounts, _Mapping]] = ...) -> None: ...

class AddImagesResult(_message.Message):
    __slots__ = ("key", "status", "cont_sign", "existed", "log_id", "matches")
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    key: str
    status: Status
    cont_sign: str
    existed: bool
    log_id: int
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    def __init__(self, key: _Optional[str] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., cont_sign: _Optional[str] = ..., existed: _Optional[bool] = ..., log_id: _Optional[int] = ..., matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ...) -> None: ...

class AddImagesCounts(_message.Message):
    __slots__ = ("received", "added", "existed", "failed")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    ADDED_FIELD_NUMBER: _ClassVar[int]
    EXISTED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    received: int
    added: int
    existed: int
    failed: int
    def __init__(self, received: _Optional[int] = ..., added: _Optional[int] = ..., existed: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class AddImagesDrain(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class Status(_message.Message):
    __slots__ = ("code", "message", "reason", "metadata")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    code: int
    message: str
    reason: str
    metadata: _containers.ScalarMap[str, str]
    def __init__(self, code: _Optional[int] = ..., message: _Optional[str] = ..., reason: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SearchImagesRequest(_message.Message):
    __slots__ = ("library", "content", "url", "cont_sign", "tags", "tag_logic", "offset", "limit", "min_score", "profile", "effort")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TAG_LOGIC_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    library: str
    content: bytes
    url: str
    cont_sign: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    tag_logic: TagLogic
    offset: int
    limit: int
    min_score: float
    profile: Profile
    effort: Effort
    def __init__(self, library: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., cont_sign: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ..., tag_logic: _Optional[_Union[TagLogic, str]] = ..., offset: _Optional[int] = ..., limit: _Optional[int] = ..., min_score: _Optional[float] = ..., profile: _Optional[_Union[Profile, str]] = ..., effort: _Optional[_Union[Effort, str]] = ...) -> None: ...

class SearchImagesResponse(_message.Message):
    __slots__ = ("matches", "has_more", "log_id")
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    has_more: bool
    log_id: int
    def __init__(self, matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ..., has_more: _Optional[bool] = ..., log_id: _Optional[int] = ...) -> None: ...

class Match(_message.Message):
    __slots__ = ("cont_sign", "score", "brief", "tags", "geometry", "agreement", "coverage")
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    cont_sign: str
    score: float
    brief: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    geometry: Geometry
    agreement: float
    coverage: float
    def __init__(self, cont_sign: _Optional[str] = ..., score: _Optional[float] = ..., brief: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ..., geometry: _Optional[_Union[Geometry, _Mapping]] = ..., agreement: _Optional[float] = ..., coverage: _Optional[float] = ...) -> None: ...

class Geometry(_message.Message):
    __slots__ = ("query", "stored", "overlap")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    STORED_FIELD_NUMBER: _ClassVar[int]
    OVERLAP_FIELD_NUMBER: _ClassVar[int]
    query: Quadrilateral
    stored: Quadrilateral
    overlap: float
    def __init__(self, query: _Optional[_Union[Quadrilateral, _Mapping]] = ..., stored: _Optional[_Union[Quadrilateral, _Mapping]] = ..., overlap: _Optional[float] = ...) -> None: ...

class Quadrilateral(_message.Message):
    __slots__ = ("corners",)
    CORNERS_FIELD_NUMBER: _ClassVar[int]
    corners: _containers.RepeatedCompositeFieldContainer[Point]
    def __init__(self, corners: _Optional[_Iterable[_Union[Point, _Mapping]]] = ...) -> None: ...

class Point(_message.Message):
    __slots__ = ("x", "y")
    X_FIELD_NUMBER: _ClassVar[int]
    Y_FIELD_NUMBER: _ClassVar[int]
    x: float
    y: float
    def __init__(self, x: _Optional[float] = ..., y: _Optional[float] = ...) -> None: ...

class UpdateImageRequest(_message.Message):
    __slots__ = ("library", "content", "url", "cont_sign", "brief", "tags")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    library: str
    content: bytes
    url: str
    cont_sign: str
    brief: str
    tags: TagList
    def __init__(self, library: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., cont_sign: _Optional[str] = ..., brief: _Optional[str] = ..., tags: _Optional[_Union[TagList, _Mapping]] = ...) -> None: ...

class TagList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, values: _Optional[_Iterable[int]] = ...) -> None: ...

class UpdateImageResponse(_message.Message):
    __slots__ = ("log_id",)
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    log_id: int
    def __init__(self, log_id: _Optional[int] = ...) -> None: ...

class DeleteImagesRequest(_message.Message):
    __slots__ = ("library", "content", "url", "cont_signs", "filter", "expected_count", "dry_run")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGNS_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DRY_RUN_FIELD_NUMBER: _ClassVar[int]
    library: str
    content: bytes
    url: str
    cont_signs: ContSignList
    filter: ImageFilter
    expected_count: int
    dry_run: bool
    def __init__(self, library: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., cont_signs: _Optional[_Union[ContSignList, _Mapping]] = ..., filter: _Optional[_Union[ImageFilter, _Mapping]] = ..., expected_count: _Optional[int] = ..., dry_run: _Optional[bool] = ...) -> None: ...

class ContSignList(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, values: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteImagesResponse(_message.Message):
    __slots__ = ("results", "log_ids", "matched_count", "deleted_count", "matched_cont_signs")
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    LOG_IDS_FIELD_NUMBER: _ClassVar[int]
    MATCHED_COUNT_FIELD_NUMBER: _ClassVar[int]
    DELETED_COUNT_FIELD_NUMBER: _ClassVar[int]
    MATCHED_CONT_SIGNS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[DeleteImagesResult]
    log_ids: _containers.RepeatedScalarFieldContainer[int]
    matched_count: int
    deleted_count: int
    matched_cont_signs: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, results: _Optional[_Iterable[_Union[DeleteImagesResult, _Mapping]]] = ..., log_ids: _Optional[_Iterable[int]] = ..., matched_count: _Optional[int] = ..., deleted_count: _Optional[int] = ..., matched_cont_signs: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteImagesResult(_message.Message):
    __slots__ = ("cont_sign", "status")
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    cont_sign: str
    status: Status
    def __init__(self, cont_sign: _Optional[str] = ..., status: _Optional[_Union[Status, _Mapping]] = ...) -> None: ...

class GetLibraryRequest(_message.Message):
    __slots__ = ("library",)
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    library: str
    def __init__(self, library: _Optional[str] = ...) -> None: ...

class GetLibraryResponse(_message.Message):
    __slots__ = ("library", "image_count", "image_capacity", "size_bytes", "id", "max_image_bytes", "max_side")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    library: str
    image_count: int
    image_capacity: int
    size_bytes: int
    id: str
    max_image_bytes: int
    max_side: int
    def __init__(self, library: _Optional[str] = ..., image_count: _Optional[int] = ..., image_capacity: _Optional[int] = ..., size_bytes: _Optional[int] = ..., id: _Optional[str] = ..., max_image_bytes: _Optional[int] = ..., max_side: _Optional[int] = ...) -> None: ...

class ListImagesRequest(_message.Message):
    __slots__ = ("library", "page_size", "page_token", "filter", "order", "thumbnails")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    THUMBNAILS_FIELD_NUMBER: _ClassVar[int]
    library: str
    page_size: int
    page_token: str
    filter: ImageFilter
    order: ListOrder
    thumbnails: bool
    def __init__(self, library: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., filter: _Optional[_Union[ImageFilter, _Mapping]] = ..., order: _Optional[_Union[ListOrder, str]] = ..., thumbnails: _Optional[bool] = ...) -> None: ...

class ListImagesResponse(_message.Message):
    __slots__ = ("images", "next_page_token", "total")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[Image]
    next_page_token: str
    total: int
    def __init__(self, images: _Optional[_Iterable[_Union[Image, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., total: _Optional[int] = ...) -> None: ...

class GetImageRequest(_message.Message):
    __slots__ = ("library", "cont_sign", "preview")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    library: str
    cont_sign: str
    preview: bool
    def __init__(self, library: _Optional[str] = ..., cont_sign: _Optional[str] = ..., preview: _Optional[bool] = ...) -> None: ...

class GetImageResponse(_message.Message):
    __slots__ = ("image",)
    IMAGE_FIELD_NUMBER: _ClassVar[int]
    image: Image
    def __init__(self, image: _Optional[_Union[Image, _Mapping]] = ...) -> None: ...

class Image(_message.Message):
    __slots__ = ("cont_sign", "brief", "tags", "width", "height", "size_bytes", "add_time", "thumbnail_jpeg", "preview_jpeg")
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    BRIEF_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    WIDTH_FIELD_NUMBER: _ClassVar[int]
    HEIGHT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    ADD_TIME_FIELD_NUMBER: _ClassVar[int]
    THUMBNAIL_JPEG_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_JPEG_FIELD_NUMBER: _ClassVar[int]
    cont_sign: str
    brief: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    width: int
    height: int
    size_bytes: int
    add_time: _timestamp_pb2.Timestamp
    thumbnail_jpeg: bytes
    preview_jpeg: bytes
    def __init__(self, cont_sign: _Optional[str] = ..., brief: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ..., width: _Optional[int] = ..., height: _Optional[int] = ..., size_bytes: _Optional[int] = ..., add_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., thumbnail_jpeg: _Optional[bytes] = ..., preview_jpeg: _Optional[bytes] = ...) -> None: ...

class ImageFilter(_message.Message):
    __slots__ = ("tags", "tag_logic", "brief_contains", "added_since", "added_before")
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TAG_LOGIC_FIELD_NUMBER: _ClassVar[int]
    BRIEF_CONTAINS_FIELD_NUMBER: _ClassVar[int]
    ADDED_SINCE_FIELD_NUMBER: _ClassVar[int]
    ADDED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedScalarFieldContainer[int]
    tag_logic: TagLogic
    brief_contains: str
    added_since: _timestamp_pb2.Timestamp
    added_before: _timestamp_pb2.Timestamp
    def __init__(self, tags: _Optional[_Iterable[int]] = ..., tag_logic: _Optional[_Union[TagLogic, str]] = ..., brief_contains: _Optional[str] = ..., added_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., added_before: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListTagsRequest(_message.Message):
    __slots__ = ("library",)
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    library: str
    def __init__(self, library: _Optional[str] = ...) -> None: ...

class ListTagsResponse(_message.Message):
    __slots__ = ("tags",)
    TAGS_FIELD_NUMBER: _ClassVar[int]
    tags: _containers.RepeatedCompositeFieldContainer[TagCount]
    def __init__(self, tags: _Optional[_Iterable[_Union[TagCount, _Mapping]]] = ...) -> None: ...

class TagCount(_message.Message):
    __slots__ = ("tag", "image_count")
    TAG_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    tag: int
    image_count: int
    def __init__(self, tag: _Optional[int] = ..., image_count: _Optional[int] = ...) -> None: ...

class ListLibrariesRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListLibrariesResponse(_message.Message):
    __slots__ = ("libraries", "read_only")
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    READ_ONLY_FIELD_NUMBER: _ClassVar[int]
    libraries: _containers.RepeatedCompositeFieldContainer[LibraryInfo]
    read_only: bool
    def __init__(self, libraries: _Optional[_Iterable[_Union[LibraryInfo, _Mapping]]] = ..., read_only: _Optional[bool] = ...) -> None: ...

class LibraryInfo(_message.Message):
    __slots__ = ("library", "id", "backend", "image_count", "image_capacity", "size_bytes", "max_image_bytes", "max_side", "capabilities")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    ID_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_IMAGE_BYTES_FIELD_NUMBER: _ClassVar[int]
    MAX_SIDE_FIELD_NUMBER: _ClassVar[int]
    CAPABILITIES_FIELD_NUMBER: _ClassVar[int]
    library: str
    id: str
    backend: str
    image_count: int
    image_capacity: int
    size_bytes: int
    max_image_bytes: int
    max_side: int
    capabilities: _containers.RepeatedScalarFieldContainer[Capability]
    def __init__(self, library: _Optional[str] = ..., id: _Optional[str] = ..., backend: _Optional[str] = ..., image_count: _Optional[int] = ..., image_capacity: _Optional[int] = ..., size_bytes: _Optional[int] = ..., max_image_bytes: _Optional[int] = ..., max_side: _Optional[int] = ..., capabilities: _Optional[_Iterable[_Union[Capability, str]]] = ...) -> None: ...

class SameImages(_message.Message):
    __slots__ = ("matches",)
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    def __init__(self, matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ...) -> None: ...

class CompareImagesRequest(_message.Message):
    __slots__ = ("library", "first", "second", "profile")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    SECOND_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    library: str
    first: ComparedImage
    second: ComparedImage
    profile: Profile
    def __init__(self, library: _Optional[str] = ..., first: _Optional[_Union[ComparedImage, _Mapping]] = ..., second: _Optional[_Union[ComparedImage, _Mapping]] = ..., profile: _Optional[_Union[Profile, str]] = ...) -> None: ...

class ComparedImage(_message.Message):
    __slots__ = ("content", "url", "cont_sign")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    url: str
    cont_sign: str
    def __init__(self, content: _Optional[bytes] = ..., url: _Optional[str] = ..., cont_sign: _Optional[str] = ...) -> None: ...

class CompareImagesResponse(_message.Message):
    __slots__ = ("score", "geometry", "agreement", "coverage", "hash_distance", "log_id")
    SCORE_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    AGREEMENT_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    HASH_DISTANCE_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    score: float
    geometry: Geometry
    agreement: float
    coverage: float
    hash_distance: int
    log_id: int
    def __init__(self, score: _Optional[float] = ..., geometry: _Optional[_Union[Geometry, _Mapping]] = ..., agreement: _Optional[float] = ..., coverage: _Optional[float] = ..., hash_distance: _Optional[int] = ..., log_id: _Optional[int] = ...) -> None: ...

class BulkSearchImagesRequest(_message.Message):
    __slots__ = ("options", "item")
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    options: BulkSearchImagesOptions
    item: BulkSearchImagesItem
    def __init__(self, options: _Optional[_Union[BulkSearchImagesOptions, _Mapping]] = ..., item: _Optional[_Union[BulkSearchImagesItem, _Mapping]] = ...) -> None: ...

class BulkSearchImagesOptions(_message.Message):
    __slots__ = ("library", "tags", "tag_logic", "limit", "min_score", "profile", "max_in_flight", "effort")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TAG_LOGIC_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    EFFORT_FIELD_NUMBER: _ClassVar[int]
    library: str
    tags: _containers.RepeatedScalarFieldContainer[int]
    tag_logic: TagLogic
    limit: int
    min_score: float
    profile: Profile
    max_in_flight: int
    effort: Effort
    def __init__(self, library: _Optional[str] = ..., tags: _Optional[_Iterable[int]] = ..., tag_logic: _Optional[_Union[TagLogic, str]] = ..., limit: _Optional[int] = ..., min_score: _Optional[float] = ..., profile: _Optional[_Union[Profile, str]] = ..., max_in_flight: _Optional[int] = ..., effort: _Optional[_Union[Effort, str]] = ...) -> None: ...

class BulkSearchImagesItem(_message.Message):
    __slots__ = ("key", "content", "url", "cont_sign")
    KEY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    URL_FIELD_NUMBER: _ClassVar[int]
    CONT_SIGN_FIELD_NUMBER: _ClassVar[int]
    key: str
    content: bytes
    url: str
    cont_sign: str
    def __init__(self, key: _Optional[str] = ..., content: _Optional[bytes] = ..., url: _Optional[str] = ..., cont_sign: _Optional[str] = ...) -> None: ...

class BulkSearchImagesResponse(_message.Message):
    __slots__ = ("result", "progress", "drain", "summary")
    RESULT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    SUMMARY_FIELD_NUMBER: _ClassVar[int]
    result: BulkSearchImagesResult
    progress: BulkSearchImagesCounts
    drain: BulkSearchImagesDrain
    summary: BulkSearchImagesCounts
    def __init__(self, result: _Optional[_Union[BulkSearchImagesResult, _Mapping]] = ..., progress: _Optional[_Union[BulkSearchImagesCounts, _Mapping]] = ..., drain: _Optional[_Union[BulkSearchImagesDrain, _Mapping]] = ..., summary: _Optional[_Union[BulkSearchImagesCounts, _Mapping]] = ...) -> None: ...

class BulkSearchImagesResult(_message.Message):
    __slots__ = ("key", "status", "matches", "has_more", "log_id")
    KEY_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    MATCHES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    key: str
    status: Status
    matches: _containers.RepeatedCompositeFieldContainer[Match]
    has_more: bool
    log_id: int
    def __init__(self, key: _Optional[str] = ..., status: _Optional[_Union[Status, _Mapping]] = ..., matches: _Optional[_Iterable[_Union[Match, _Mapping]]] = ..., has_more: _Optional[bool] = ..., log_id: _Optional[int] = ...) -> None: ...

class BulkSearchImagesCounts(_message.Message):
    __slots__ = ("received", "matched", "unmatched", "failed")
    RECEIVED_FIELD_NUMBER: _ClassVar[int]
    MATCHED_FIELD_NUMBER: _ClassVar[int]
    UNMATCHED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    received: int
    matched: int
    unmatched: int
    failed: int
    def __init__(self, received: _Optional[int] = ..., matched: _Optional[int] = ..., unmatched: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class BulkSearchImagesDrain(_message.Message):
    __slots__ = ("message",)
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    message: str
    def __init__(self, message: _Optional[str] = ...) -> None: ...

class FindDuplicatesRequest(_message.Message):
    __slots__ = ("library", "min_score", "tags", "tag_logic", "added_since", "cursor", "profile")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    MIN_SCORE_FIELD_NUMBER: _ClassVar[int]
    TAGS_FIELD_NUMBER: _ClassVar[int]
    TAG_LOGIC_FIELD_NUMBER: _ClassVar[int]
    ADDED_SINCE_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    PROFILE_FIELD_NUMBER: _ClassVar[int]
    library: str
    min_score: float
    tags: _containers.RepeatedScalarFieldContainer[int]
    tag_logic: TagLogic
    added_since: _timestamp_pb2.Timestamp
    cursor: str
    profile: Profile
    def __init__(self, library: _Optional[str] = ..., min_score: _Optional[float] = ..., tags: _Optional[_Iterable[int]] = ..., tag_logic: _Optional[_Union[TagLogic, str]] = ..., added_since: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., cursor: _Optional[str] = ..., profile: _Optional[_Union[Profile, str]] = ...) -> None: ...

class FindDuplicatesResponse(_message.Message):
    __slots__ = ("group", "progress")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    group: DuplicateGroup
    progress: FindDuplicatesProgress
    def __init__(self, group: _Optional[_Union[DuplicateGroup, _Mapping]] = ..., progress: _Optional[_Union[FindDuplicatesProgress, _Mapping]] = ...) -> None: ...

class DuplicateGroup(_message.Message):
    __slots__ = ("images", "pairs")
    IMAGES_FIELD_NUMBER: _ClassVar[int]
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    images: _containers.RepeatedCompositeFieldContainer[Image]
    pairs: _containers.RepeatedCompositeFieldContainer[DuplicatePair]
    def __init__(self, images: _Optional[_Iterable[_Union[Image, _Mapping]]] = ..., pairs: _Optional[_Iterable[_Union[DuplicatePair, _Mapping]]] = ...) -> None: ...

class DuplicatePair(_message.Message):
    __slots__ = ("a", "b", "score", "geometry")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    GEOMETRY_FIELD_NUMBER: _ClassVar[int]
    a: str
    b: str
    score: float
    geometry: Geometry
    def __init__(self, a: _Optional[str] = ..., b: _Optional[str] = ..., score: _Optional[float] = ..., geometry: _Optional[_Union[Geometry, _Mapping]] = ...) -> None: ...

class FindDuplicatesProgress(_message.Message):
    __slots__ = ("compared", "total", "cursor")
    COMPARED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    compared: int
    total: int
    cursor: str
    def __init__(self, compared: _Optional[int] = ..., total: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class GetStateRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetStateResponse(_message.Message):
    __slots__ = ("version", "start_time", "config_time", "config_failed", "tenant", "libraries", "quota", "calls")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    START_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_TIME_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FAILED_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    LIBRARIES_FIELD_NUMBER: _ClassVar[int]
    QUOTA_FIELD_NUMBER: _ClassVar[int]
    CALLS_FIELD_NUMBER: _ClassVar[int]
    version: str
    start_time: _timestamp_pb2.Timestamp
    config_time: _timestamp_pb2.Timestamp
    config_failed: bool
    tenant: str
    libraries: _containers.RepeatedCompositeFieldContainer[LibraryState]
    quota: QuotaState
    calls: _containers.RepeatedCompositeFieldContainer[RecentCall]
    def __init__(self, version: _Optional[str] = ..., start_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., config_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., config_failed: _Optional[bool] = ..., tenant: _Optional[str] = ..., libraries: _Optional[_Iterable[_Union[LibraryState, _Mapping]]] = ..., quota: _Optional[_Union[QuotaState, _Mapping]] = ..., calls: _Optional[_Iterable[_Union[RecentCall, _Mapping]]] = ...) -> None: ...

class LibraryState(_message.Message):
    __slots__ = ("library", "backend", "image_count", "image_capacity", "size_bytes", "storage_failing", "credentials")
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    IMAGE_COUNT_FIELD_NUMBER: _ClassVar[int]
    IMAGE_CAPACITY_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    STORAGE_FAILING_FIELD_NUMBER: _ClassVar[int]
    CREDENTIALS_FIELD_NUMBER: _ClassVar[int]
    library: str
    backend: str
    image_count: int
    image_capacity: int
    size_bytes: int
    storage_failing: bool
    credentials: _containers.RepeatedCompositeFieldContainer[CredentialState]
    def __init__(self, library: _Optional[str] = ..., backend: _Optional[str] = ..., image_count: _Optional[int] = ..., image_capacity: _Optional[int] = ..., size_bytes: _Optional[int] = ..., storage_failing: _Optional[bool] = ..., credentials: _Optional[_Iterable[_Union[CredentialState, _Mapping]]] = ...) -> None: ...

class CredentialState(_message.Message):
    __slots__ = ("name", "breaker", "in_cooldown", "queue_length", "available_slots", "token_age_seconds", "token_remaining_seconds", "in_flight", "succeeded", "failed")
    NAME_FIELD_NUMBER: _ClassVar[int]
    BREAKER_FIELD_NUMBER: _ClassVar[int]
    IN_COOLDOWN_FIELD_NUMBER: _ClassVar[int]
    QUEUE_LENGTH_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_SLOTS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_AGE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_REMAINING_SECONDS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    SUCCEEDED_FIELD_NUMBER: _ClassVar[int]
    FAILED_FIELD_NUMBER: _ClassVar[int]
    name: str
    breaker: CircuitBreaker
    in_cooldown: bool
    queue_length: int
    available_slots: float
    token_age_seconds: float
    token_remaining_seconds: float
    in_flight: int
    succeeded: int
    failed: int
    def __init__(self, name: _Optional[str] = ..., breaker: _Optional[_Union[CircuitBreaker, str]] = ..., in_cooldown: _Optional[bool] = ..., queue_length: _Optional[int] = ..., available_slots: _Optional[float] = ..., token_age_seconds: _Optional[float] = ..., token_remaining_seconds: _Optional[float] = ..., in_flight: _Optional[int] = ..., succeeded: _Optional[int] = ..., failed: _Optional[int] = ...) -> None: ...

class QuotaState(_message.Message):
    __slots__ = ("requests_per_second", "burst", "requests_per_day", "bytes_per_second", "concurrent", "requests_today", "running", "rejected")
    REQUESTS_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    BURST_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_FIELD_NUMBER: _ClassVar[int]
    CONCURRENT_FIELD_NUMBER: _ClassVar[int]
    REQUESTS_TODAY_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    REJECTED_FIELD_NUMBER: _ClassVar[int]
    requests_per_second: int
    burst: int
    requests_per_day: int
    bytes_per_second: int
    concurrent: int
    requests_today: int
    running: int
    rejected: int
    def __init__(self, requests_per_second: _Optional[int] = ..., burst: _Optional[int] = ..., requests_per_day: _Optional[int] = ..., bytes_per_second: _Optional[int] = ..., concurrent: _Optional[int] = ..., requests_today: _Optional[int] = ..., running: _Optional[int] = ..., rejected: _Optional[int] = ...) -> None: ...

class RecentCall(_message.Message):
    __slots__ = ("time", "method", "code", "reason", "milliseconds", "log_id", "library")
    TIME_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MILLISECONDS_FIELD_NUMBER: _ClassVar[int]
    LOG_ID_FIELD_NUMBER: _ClassVar[int]
    LIBRARY_FIELD_NUMBER: _ClassVar[int]
    time: _timestamp_pb2.Timestamp
    method: str
    code: str
    reason: str
    milliseconds: float
    log_id: int
    library: str
    def __init__(self, time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., method: _Optional[str] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ..., milliseconds: _Optional[float] = ..., log_id: _Optional[int] = ..., library: _Optional[str] = ...) -> None: ...
